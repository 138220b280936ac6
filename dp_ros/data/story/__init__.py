"""What is drawn of one episode, from its bag or from a data set."""
