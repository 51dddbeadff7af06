"""Past one database machine: real servers, several of them, killed in the middle of traffic."""
