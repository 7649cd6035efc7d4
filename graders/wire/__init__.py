"""What goes over HTTP, both ways: requests sent until they are answered, answers read, errors said."""
