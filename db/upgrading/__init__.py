"""How the schema comes to be as it should be: what is added, by the program or by an administrator's script."""
