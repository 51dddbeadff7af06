"""What several folders of tests need to let processes die and state machines run."""
