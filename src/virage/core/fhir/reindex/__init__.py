"""What is indexed changes while the house runs: users' search parameters, new releases. How: docs/understand/parameters.md."""
