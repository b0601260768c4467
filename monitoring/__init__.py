"""Problems of the installation: found from the facts that all processes leave in the database and the queue."""
