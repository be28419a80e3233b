"""The evbuffer against bytes: contents, structure, callbacks, cleanups (B-3, B-4, O-4)."""

from __future__ import annotations

from tests.model.evbuffer.machine_more import WholeMachine

TestEvbuffer = WholeMachine.TestCase
