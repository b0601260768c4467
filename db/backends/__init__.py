"""What each kind of database needs of its own: how it is connected to, and what its errors mean."""
