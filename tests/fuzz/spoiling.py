"""Messages that are almost lawful: a good one of which some fields, or some bytes, are anything at all."""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

_Message = TypeVar("_Message", bound=Message)
_DEPTH_MAX = 3
_PLACES = 10_000

_AWKWARD = ("", " ", "2026-13-99", "2026-02-30", "9999-12-31", "0001-01-01", "NV9900900", "[red]\x1b[31m", "2026Q5")
_STRINGS = st.sampled_from(_AWKWARD) | st.text(max_size=20)
_BYTES = st.sampled_from([b"", bytes(16), bytes(32), bytes(1216), b"\xff" * 40]) | st.binary(max_size=20)
_VALUES: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: _STRINGS,
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.sampled_from([0, -1, 2**63 - 1, -(2**63)]) | st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.sampled_from([0, 1, 2**32 - 1]) | st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.sampled_from([0, 1, 2**64 - 1]) | st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-1, 30) | st.just(2**31 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
}


@st.composite
def spoiled(draw: st.DrawFn, good: _Message, *, kept: tuple[str, ...] = ()) -> _Message:
    """The message with up to four fields changed, wherever they lie; those named in `kept` stay."""
    message = type(good).FromString(good.SerializeToString())
    for _ in range(draw(st.integers(1, 4))):
        _spoil(draw, message, kept, 0)
    return message


@st.composite
def spoiled_bytes(draw: st.DrawFn, good: Message, *, kept: tuple[str, ...] = ()) -> bytes:
    """The same as bytes; or with some bytes changed, so that it may be no message any more."""
    data = bytearray(draw(spoiled(good, kept=kept)).SerializeToString())
    if draw(st.booleans()):
        return bytes(data)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, _PLACES)) % (len(data) + 1)  # a good message's length may differ from run to run
        data[place : place + draw(st.integers(0, 6))] = draw(st.binary(max_size=6))
    return bytes(data)


def _spoil(draw: st.DrawFn, message: Message, kept: tuple[str, ...], depth: int) -> None:
    fields = [field for field in message.DESCRIPTOR.fields if field.name not in kept]
    if not fields:
        return
    field = draw(st.sampled_from(fields))
    if field.is_repeated:
        _spoil_list(draw, message, field, depth)
    elif field.message_type is not None:
        if depth < _DEPTH_MAX and draw(st.integers(0, 3)):
            _spoil(draw, getattr(message, field.name), (), depth + 1)
        else:
            message.ClearField(field.name)
    else:
        setattr(message, field.name, draw(_values(field)))


def _spoil_list(draw: st.DrawFn, message: Message, field: Any, depth: int) -> None:
    held = getattr(message, field.name)
    what = draw(st.sampled_from(["clear", "drop", "twice", "change", "add"]))
    if what == "clear":
        message.ClearField(field.name)
    elif what == "drop" and len(held):
        del held[draw(st.integers(0, len(held) - 1))]
    elif field.message_type is not None:
        if what == "twice" and len(held):
            held.add().CopyFrom(held[0])
        elif depth < _DEPTH_MAX:
            _spoil(draw, held[0] if len(held) and what == "change" else held.add(), (), depth + 1)
    elif what == "twice" and len(held):
        held.append(held[0])
    else:
        held.append(draw(_values(field)))


def _values(field: Any) -> st.SearchStrategy[Any]:
    return _BYTES if field.type == FieldDescriptor.TYPE_BYTES else _VALUES[field.cpp_type]
