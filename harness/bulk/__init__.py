"""Bulk search: scenarios by the thousand, what is new in their traces, and campaigns of them."""
