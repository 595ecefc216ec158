"""No Django model: the tables of the store are made by its migrations. Django tells only apps that have this file of migrations done."""
