"""The database: schema, migrations, connections, the writer thread and its files."""
