#!/usr/bin/env python3
"""profiles.py PROTOCOLS.tsv PROFILES.tsv > rows.c: the profiles as const C data.

PROTOCOLS.tsv says how the data of each protocol ends; PROFILES.tsv ties each of its names to a
message tracker, the port where TLS starts with the first byte, ALPN ids and further names (URL
schemes, service names).  Both must name the same rows.  A value that is not known, a duplicate or a
missing row ends the build with file, line and column; nothing is guessed.
"""
import sys

PROTOCOL_COLUMNS = ['name', 'spec', 'port', 'starttls', 'end_of_data', 'first_closer', 'on_finish',
                    'answer', 'await_peer', 'half_close', 'reuse', 'on_truncation', 'note']
PROFILE_COLUMNS = ['name', 'framing', 'tls_port', 'alpn', 'names', 'why']

# The closed columns: a value's name in C is the column and the value, as LW_END_OF_DATA_SELF.
CLOSED = {
    'starttls': ['no', 'yes', 'both'],
    'end_of_data': ['self', 'close', 'mixed'],
    'first_closer': ['unstated', 'either', 'client', 'server', 'sender'],
    'on_finish': ['unstated', 'close_notify'],
    'answer': ['version', 'at-once', 'when-done'],
    'await_peer': ['unstated', 'may', 'must'],
    'half_close': ['unstated', 'no', 'allowed', 'required'],
    'reuse': ['unstated', 'no', 'yes', 'forbidden'],
    'on_truncation': ['unstated', 'retry', 'error-unless-complete', 'error'],
    # The kinds of framing/tracker.h, but for what only an upgrade leads to.
    'framing': ['unsure', 'by-close', 'http1', 'websocket', 'lines', 'smtp', 'ftp', 'pop3', 'nntp',
                'imap', 'sieve', 'resp', 'xmpp', 'dns', 'postgresql',
                'ldap', 'mqtt', 'syslog', 'radius', 'diameter', 'epp', 'kerberos', 'nts-ke', 'snmp',
                'cops', 'mysql', 'http2'],
}


def refuse(path, line, column, reason):
    sys.exit(f'{path}:{line}: {column}: {reason}')


def read_table(path, columns):
    """Rows as (line number, {column: value}) by name, in order."""
    rows = {}
    with open(path, encoding='utf-8') as table:
        lines = table.read().split('\n')
    if lines[-1] != '':
        refuse(path, len(lines), columns[-1], 'the last line has no end')
    if lines[0].split('\t') != columns:
        refuse(path, 1, columns[0], 'the columns must be ' + ' '.join(columns))
    for number, line in enumerate(lines[1:-1], 2):
        values = line.split('\t')
        if len(values) != len(columns):
            refuse(path, number, columns[min(len(values), len(columns)) - 1],
                   f'{len(values)} columns instead of {len(columns)}')
        row = dict(zip(columns, values))
        for column, value in row.items():
            if value == '' or value != value.strip():
                refuse(path, number, column, 'empty, or with space around it')
            if column in CLOSED and value not in CLOSED[column]:
                refuse(path, number, column, f'"{value}" is none of ' + ', '.join(CLOSED[column]))
            if column in ('port', 'tls_port') and value != '-':
                if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
                    refuse(path, number, column, f'"{value}" is no port')
        if row['name'] in rows:
            refuse(path, number, 'name', f'"{row["name"]}" stands twice')
        rows[row['name']] = (number, row)
    return rows


def split_list(value):
    return [] if value == '-' else value.split(',')


def check_unique(path, rows, column, taken):
    """No two rows may own one value, and no value may be empty."""
    for number, row in rows.values():
        for value in split_list(row[column]):
            if value == '':
                refuse(path, number, column, 'an empty element')
            if value.lower() in taken:
                refuse(path, number, column, f'"{value}" belongs to "{taken[value.lower()]}" already')
            taken[value.lower()] = row['name']


def c_string(text):
    out = ''
    for byte in text.encode('utf-8'):
        if byte in b'"\\':
            out += '\\' + chr(byte)
        else:
            out += chr(byte) if 32 <= byte < 127 else f'\\{byte:03o}'
    return f'"{out}"'


def c_name(column, value):
    prefix = 'kind' if column == 'framing' else column
    return f'LW_{prefix}_{value}'.upper().replace('-', '_')


def c_port(value):
    return '0' if value == '-' else value


def emit_row(index, row, further):
    fields = [('name', c_string(row['name'])), ('spec', c_string(row['spec'])),
              ('port', c_port(row['port'])), ('tls_port', c_port(further['tls_port'])),
              ('alpn', f'alpn_{index}'), ('names', f'names_{index}'),
              ('framing', c_string(further['framing']))]
    fields += [(column, c_name(column, row[column])) for column in CLOSED if column != 'framing']
    fields += [('note', c_string(row['note']))]
    return '\t{\n' + ''.join(f'\t\t.{name} = {value},\n' for name, value in fields) + '\t},\n'


def emit(protocols, profiles):
    rows = [(row, profiles[name][1]) for name, (_, row) in protocols.items()]
    out = '/* Made by tools/profiles.py from data/protocols.tsv and data/profiles.tsv. */\n'
    out += '#include "profile/rows.h"\n\n'
    for index, (_, further) in enumerate(rows):
        for column in ('alpn', 'names'):
            elements = ''.join(c_string(e) + ', ' for e in split_list(further[column]))
            out += f'static const char *const {column}_{index}[] = {{ {elements}NULL }};\n'
    out += '\nconst struct lw_profile lw_profile_rows[] = {\n'
    out += ''.join(emit_row(i, row, further) for i, (row, further) in enumerate(rows))
    out += '};\n\nconst enum lw_kind lw_profile_kinds[] = {\n'
    out += ''.join(f'\t{c_name("framing", further["framing"])},\n' for _, further in rows)
    return out + f'}};\n\nconst size_t lw_profile_count = {len(rows)};\n'


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: profiles.py PROTOCOLS.tsv PROFILES.tsv')
    protocols_path, profiles_path = sys.argv[1:]
    protocols = read_table(protocols_path, PROTOCOL_COLUMNS)
    profiles = read_table(profiles_path, PROFILE_COLUMNS)
    for name, (number, _) in protocols.items():
        if name not in profiles:
            refuse(protocols_path, number, 'name', f'"{name}" has no row in {profiles_path}')
    for name, (number, _) in profiles.items():
        if name not in protocols:
            refuse(profiles_path, number, 'name', f'"{name}" has no row in {protocols_path}')
    check_unique(profiles_path, profiles, 'alpn', {})
    check_unique(profiles_path, profiles, 'names', {name.lower(): name for name in protocols})
    sys.stdout.write(emit(protocols, profiles))


main()
