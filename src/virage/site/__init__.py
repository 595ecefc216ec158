"""Wires the rooms together: settings, addresses, server, command line. Nobody imports it."""
