"""Pickles of plain data, read opcode by opcode: nothing but dicts, lists, tuples, numbers and strings can come of them.

Python's own reader runs what a pickle names. This one knows none of the opcodes that name anything, and refuses them.
The opcodes are those of protocols 0 to 5, as documented in Python's `pickletools`.
"""

import os
import struct

MAX_OPCODES = 2**23  # of a file: more than those of the largest set of Boulanger-Lewandowski's in any protocol
MAX_OBJECTS = 2**20  # lists, tuples and dicts of a file, and names of objects: a file takes a byte for 100 in memory
NEWEST = 5  # protocol
MAX_TEXT = 2**10  # bytes of a line or a string
REFUSED = {
    b"c": "GLOBAL", b"i": "INST", b"\x93": "STACK_GLOBAL", b"R": "REDUCE", b"b": "BUILD", b"o": "OBJ",
    b"\x81": "NEWOBJ", b"\x92": "NEWOBJ_EX", b"\x82": "EXT1", b"\x83": "EXT2", b"\x84": "EXT4", b"P": "PERSID",
    b"Q": "BINPERSID", b"\x97": "NEXT_BUFFER", b"N": "NONE", b"\x88": "NEWTRUE", b"\x89": "NEWFALSE", b"0": "POP",
    b"1": "POP_MARK", b"2": "DUP", b"B": "BINBYTES", b"C": "SHORT_BINBYTES", b"\x8e": "BINBYTES8",
    b"\x96": "BYTEARRAY8", b"\x8f": "EMPTY_SET", b"\x90": "ADDITEMS", b"\x91": "FROZENSET",
}  # fmt: skip


def read_plain(path):
    """The value in a pickle of dicts, lists, tuples, numbers and strings.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict, list, tuple, int, float or str
        Parts may be the same object at several places, and hold themselves: it is not to be walked without a bound.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the pickle has any other opcode, is truncated, damaged, followed by something, of a protocol after 5, or has
        more than 8 million opcodes or 1 million lists, tuples and dicts. The message names the file and the opcode, and
        the function or class that the opcode would have called.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        machine = _Machine(file)
        try:
            return machine.run()
        except (IndexError, KeyError, TypeError, struct.error, OverflowError, ValueError) as error:
            reason = str(error) if type(error) is ValueError else f"it is damaged ({type(error).__name__}: {error})"
            raise ValueError(f"path: the pickle {path!r} cannot be read: {reason}") from error


class _Machine:
    """The stack and the memo of a pickle that is read from an open file."""

    def __init__(self, file):
        self._file, self._stack, self._marks, self._memo, self._n_objects = file, [], [], {}, 0

    def run(self):
        for _ in range(MAX_OPCODES):
            code = self._file.read(1)
            if code == b".":
                if len(self._stack) != 1:
                    raise ValueError(f"it is damaged: it ends with {len(self._stack)} values, not one")
                if self._file.read(1):
                    raise ValueError(f"it ends after {self._file.tell() - 1} bytes, and more follows: keep one pickle")
                return self._stack[0]
            if code not in ACTIONS:
                raise ValueError(self._refusal(code))
            ACTIONS[code](self)
        raise ValueError(f"it has more than {MAX_OPCODES} opcodes")

    def _refusal(self, code):
        if not code:
            return f"it is truncated, it ends after {self._file.tell()} bytes"
        where = f"opcode {REFUSED.get(code, repr(code))} at byte {self._file.tell() - 1}"
        if code in (b"c", b"i"):
            where += f", which names {self.line()}.{self.line()}"
        if code == b"\x93":
            where += f", which names {'.'.join(part for part in self._stack[-2:] if type(part) is str)}"
        return f"{where}; only dicts, lists, tuples, numbers and strings are read, no code is run"

    def bytes(self, n):
        """The next n bytes."""
        if n > MAX_TEXT:
            raise ValueError(f"it has a string or number of {n} bytes")
        found = self._file.read(n)
        if len(found) < n:
            raise ValueError(f"it is truncated, it ends after {self._file.tell()} bytes")
        return found

    def line(self, encoding="utf-8"):
        """The next line, without its end."""
        found = self._file.readline(MAX_TEXT)
        if not found.endswith(b"\n"):
            raise ValueError(f"it is truncated, or has a line of more than {MAX_TEXT} bytes")
        return found[:-1].decode(encoding)

    def size(self, form):
        """The next number of the form of `struct`."""
        return struct.unpack(form, self.bytes(struct.calcsize(form)))[0]

    def protocol(self):
        """The protocol, which is told at the begin."""
        number = self.size("<B")
        if number > NEWEST:
            raise ValueError(f"it is of protocol {number}, those up to {NEWEST} are read")

    def push(self, value):
        self._n_objects += isinstance(value, list | tuple | dict)
        self._check_objects()
        self._stack.append(value)

    def _check_objects(self):
        if max(self._n_objects, len(self._memo)) > MAX_OBJECTS:
            raise ValueError(f"it has more than {MAX_OBJECTS} lists, tuples and dicts, or as many names of objects")

    def mark(self):
        self._marks.append(len(self._stack))

    def since_mark(self):
        """Take what was pushed since the last mark."""
        at = self._marks.pop()
        if at > len(self._stack):
            raise ValueError("it is damaged: a mark is beyond the stack")
        taken = self._stack[at:]
        del self._stack[at:]
        return taken

    def tuple(self, n):
        """Make a tuple of the last n values."""
        if n > len(self._stack):
            raise ValueError("it is damaged: the stack is empty")
        taken = tuple(self._stack[-n:])
        del self._stack[-n:]
        self.push(taken)

    def extend(self, values):
        """Append to the list on top."""
        if type(self._stack[-1]) is not list:
            raise ValueError("it is damaged: values are appended to no list")
        self._stack[-1].extend(values)

    def set(self, values):
        """Set keys and values of the dict on top."""
        target = self._stack[-1]
        if type(target) is not dict or len(values) % 2 or not all(type(key) is str for key in values[::2]):
            raise ValueError("it has a dict whose keys are no strings, or is damaged")
        n = len(target) + len(values) // 2
        target.update(zip(values[::2], values[1::2]))
        if len(target) < n:
            raise ValueError("it has a key twice")

    def setitem(self):
        self.set([self._stack.pop(-2), self._stack.pop()])

    def dict(self):
        values = self.since_mark()
        self.push({})
        self.set(values)

    def put(self, at):
        self._memo[at] = self._stack[-1]
        self._check_objects()

    def get(self, at):
        self.push(self._memo[at])

    def number(self):
        """A number in decimal digits, of a line; L ends those of Python 2's long integers."""
        text = self.line().removesuffix("L")
        if text in ("00", "01"):
            raise ValueError("it has False or True; only dicts, lists, tuples, numbers and strings are read")
        return int(text) if len(text) < 20 else float(text)

    def quoted(self):
        """The text of a line in quotes."""
        text = self.line()
        if len(text) < 2 or text[0] != text[-1] or text[0] not in "'\"" or "\\" in text:
            raise ValueError(f"it has a string in another form than 'text': {text[:40]}")
        return text[1:-1]


def _integer(machine, n):
    """A number of n bytes, the lowest first."""
    return int.from_bytes(machine.bytes(n), "little", signed=True)


ACTIONS = {
    b"\x80": _Machine.protocol,
    b"\x95": lambda m: m.bytes(8),  # FRAME
    b"(": _Machine.mark,
    b"]": lambda m: m.push([]),
    b"l": lambda m: m.push(m.since_mark()),
    b"a": lambda m: m.extend([m._stack.pop()]),
    b"e": lambda m: m.extend(m.since_mark()),
    b")": lambda m: m.push(()),
    b"t": lambda m: m.push(tuple(m.since_mark())),
    b"\x85": lambda m: m.tuple(1),
    b"\x86": lambda m: m.tuple(2),
    b"\x87": lambda m: m.tuple(3),
    b"}": lambda m: m.push({}),
    b"d": _Machine.dict,
    b"s": _Machine.setitem,
    b"u": lambda m: m.set(m.since_mark()),
    b"I": lambda m: m.push(m.number()),
    b"L": lambda m: m.push(m.number()),
    b"J": lambda m: m.push(m.size("<i")),
    b"K": lambda m: m.push(m.size("<B")),
    b"M": lambda m: m.push(m.size("<H")),
    b"\x8a": lambda m: m.push(_integer(m, m.size("<B"))),
    b"\x8b": lambda m: m.push(_integer(m, m.size("<I"))),
    b"F": lambda m: m.push(float(m.line())),
    b"G": lambda m: m.push(m.size(">d")),
    b"S": lambda m: m.push(m.quoted()),
    b"T": lambda m: m.push(m.bytes(m.size("<I")).decode()),
    b"U": lambda m: m.push(m.bytes(m.size("<B")).decode()),
    b"V": lambda m: m.push(m.line("raw-unicode-escape")),
    b"X": lambda m: m.push(m.bytes(m.size("<I")).decode()),
    b"\x8c": lambda m: m.push(m.bytes(m.size("<B")).decode()),
    b"\x8d": lambda m: m.push(m.bytes(m.size("<Q")).decode()),
    b"p": lambda m: m.put(int(m.line())),
    b"q": lambda m: m.put(m.size("<B")),
    b"r": lambda m: m.put(m.size("<I")),
    b"\x94": lambda m: m.put(len(m._memo)),
    b"g": lambda m: m.get(int(m.line())),
    b"h": lambda m: m.get(m.size("<B")),
    b"j": lambda m: m.get(m.size("<I")),
}
