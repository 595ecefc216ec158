"""The synthetic country: citizens, professionals, structures, documents, and the journeys they live."""
