"""The unmodified libevent as a subject, over any readiness kernel (Linux, x86-64)."""
