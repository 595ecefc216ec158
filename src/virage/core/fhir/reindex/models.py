"""No Django model. Django tells only apps that have this file of migrations done."""
