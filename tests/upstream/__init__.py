"""Cases of libevent's own regression tests, ported, and the table of all of them."""
