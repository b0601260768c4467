"""The SQL of the gateway database: one module for each table or group of tables."""
