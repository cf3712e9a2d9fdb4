#!/usr/bin/python3
"""machines: writes docs/machines.md, the three machines of closure/ as drawn and as told by their shipping tables.

    tools/machines.py BUILD/tests/house/machines_dump >docs/machines.md

The numbers come from the program, which is linked with the tables; the names come from the enums of the headers, in
their order.  It knows nothing of what they mean.  A test compares the file with what this prints.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LATCH = 0x80
MACHINES = (  # machine, enum of states, their prefix, enum of inputs, their prefix
    ("read", "lw_read_state", "LW_READ_", "lw_read_input", "LW_R_"),
    ("write", "lw_write_state", "LW_WRITE_", "lw_write_input", "LW_W_"),
    ("transport", "lw_transport_state", "LW_TRANSPORT_", "lw_transport_input", "LW_T_"),
)


def enum_values(header, name, prefix):
    """value -> name without its prefix, in lower case, of an enum of plain, `= NAME` or `= 1 << N` members."""
    with open(os.path.join(ROOT, header)) as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    values, by_name, number = {}, {}, 0
    for member in re.search(r"enum %s \{(.*?)\}" % name, text, re.S)[1].split(","):
        word, _, value = (part.strip() for part in member.partition("="))
        if value:
            shift = re.fullmatch(r"1 << (\d+)", value)
            number = 1 << int(shift[1]) if shift else by_name[value]
        by_name[word] = number
        values[number] = word[len(prefix):].lower()  # a later name of the same number wins: states behind the count
        number += 1
    return values


def read_cells(program):
    done = subprocess.run([program], stdout=subprocess.PIPE, check=True, encoding="ascii", timeout=30)
    for line in done.stdout.splitlines():
        machine, *numbers = line.split()
        yield (machine, *map(int, numbers))


def draw(edges):
    """The drawing: an edge for each pair of states, labelled with the inputs that lead from one to the other."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    direction LR"
    for (source, target), inputs in edges.items():
        yield "    %s --> %s: %s" % (source, target, ", ".join(inputs))
    yield "```"


def tell(machine, cells, states, inputs, actions, endings):
    edges, rows = {}, []
    for state, given, done, following in cells:
        target = "**%s**" % endings[following - LATCH] if following & LATCH else states[following]
        doing = [name for bit, name in actions.items() if done & bit]
        if states[state] != target:
            edges.setdefault((states[state], target.strip("*")), []).append(inputs[given])
        if states[state] != target or doing:
            rows.append("| %s | %s | %s | %s |" % (states[state], inputs[given], ", ".join(doing) or "–", target))
    yield "## %s\n" % machine
    yield from draw(edges)
    yield "\n| state | input | actions | next |\n|---|---|---|---|"
    yield from rows
    yield ""


def main(program):
    actions = enum_values("src/closure/machine.h", "lw_action", "LW_DO_")
    endings = enum_values("include/lastword/verdict.h", "lw_ending", "LW_ENDING_")
    cells = list(read_cells(program))
    print("# The three machines\n")
    print("Made by `tools/machines.py` from the tables that ship; a test compares. Cells that do nothing and stay are left out.")
    print("Endings, in bold, are latched: nothing leads out of them.\n")
    for machine, state_enum, state_prefix, input_enum, input_prefix in MACHINES:
        header = "src/closure/machine.h"
        own = [cell[1:] for cell in cells if cell[0] == machine]
        print("\n".join(tell(machine, own, enum_values(header, state_enum, state_prefix),
                             enum_values(header, input_enum, input_prefix), actions, endings)))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: tools/machines.py PROGRAM")
    main(sys.argv[1])
