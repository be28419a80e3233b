"""What is true in every world: kernel contracts, the bufferevent, choices, traces, properties."""
