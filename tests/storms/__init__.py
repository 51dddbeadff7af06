"""Traffic in bad weather: connections cut, servers stopped and killed, locks held, clocks wrong."""
