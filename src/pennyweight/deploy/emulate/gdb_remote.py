"""GdbRemote: a core under a debugger, by the protocol that GDB speaks with QEMU (GDB manual, appendix E)."""

from __future__ import annotations

import queue
import re
import threading
from typing import IO

PACKET = re.compile(rb"\$([^#]*)#[0-9a-fA-F]{2}", re.DOTALL)

CHUNK_BYTES = 1024
"""Memory goes in pieces of this size: QEMU takes packets of 4,096 characters."""


class GdbRemote:
    """The debugger's end of a connection over two pipes.

    Everything raises TimeoutError where no answer comes within `timeout_s`, ConnectionError where the other end is gone
    or refuses.
    """

    def __init__(self, to_core: IO[bytes], from_core: IO[bytes], timeout_s: float) -> None:
        self._out, self._timeout_s = to_core, timeout_s
        self._buffer = b""
        self._arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(from_core,), daemon=True).start()
        self._ask("qSupported")
        self._ask("qXfer:features:read:target.xml:0,800")  # QEMU serves single registers only to who has asked this

    def register(self, number: int) -> int:
        """The value of a 32-bit register."""
        return int.from_bytes(bytes.fromhex(self._ask(f"p{number:x}")), "little")

    def set_register(self, number: int, value: int) -> None:
        """Change a 32-bit register."""
        self._told(f"P{number:x}={value.to_bytes(4, 'little').hex()}")

    def load(self, address: int, length_bytes: int) -> bytes:
        """What lies in memory."""
        pieces = range(address, address + length_bytes, CHUNK_BYTES)
        ends = [min(CHUNK_BYTES, address + length_bytes - at) for at in pieces]
        return b"".join(bytes.fromhex(self._ask(f"m{at:x},{size:x}")) for at, size in zip(pieces, ends, strict=True))

    def store(self, address: int, content: bytes) -> None:
        """Write to memory."""
        for at in range(0, len(content), CHUNK_BYTES):
            piece = content[at : at + CHUNK_BYTES]
            self._told(f"M{address + at:x},{len(piece):x}:{piece.hex()}")

    def stop_at(self, address: int) -> None:
        """Set a breakpoint."""
        self._told(f"Z0,{address:x},2")

    def step_over(self, address: int) -> None:
        """Run the one instruction at a breakpoint."""
        self._told(f"z0,{address:x},2")
        self._ask("s")
        self.stop_at(address)

    def resume(self) -> None:
        """Run up to the next breakpoint."""
        self._ask("c")

    def monitor(self, command: str) -> str:
        """What QEMU's monitor says to a command."""
        self._send("qRcmd," + command.encode().hex())
        said = ""
        while (reply := self._reply()).startswith("O") and reply != "OK":
            said += bytes.fromhex(reply[1:]).decode("utf-8", "replace")
        return said

    def _told(self, packet: str) -> None:
        if (reply := self._ask(packet)) != "OK":
            raise ConnectionError(f"the debugger's {packet[:20]} was answered by {reply[:20]!r}")

    def _ask(self, packet: str) -> str:
        self._send(packet)
        return self._reply()

    def _send(self, packet: str) -> None:
        payload = packet.encode("ascii")
        self._out.write(b"$" + payload + b"#%02x" % (sum(payload) & 0xFF))
        self._out.flush()

    def _reply(self) -> str:
        while (found := PACKET.search(self._buffer)) is None:
            try:
                piece = self._arrived.get(timeout=self._timeout_s)
            except queue.Empty:
                raise TimeoutError(f"no answer within {self._timeout_s:g} s") from None
            if not piece:
                raise ConnectionError("the other end is gone")
            self._buffer += piece
        self._buffer = self._buffer[found.end() :]
        self._out.write(b"+")
        self._out.flush()
        return found[1].decode("ascii", "replace")

    def _read(self, pipe: IO[bytes]) -> None:
        while piece := pipe.read1(65536):  # type: ignore[attr-defined]
            self._arrived.put(piece)
        self._arrived.put(b"")
