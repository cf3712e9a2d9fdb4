"""unit_file: a systemd unit as data.  It must not know what a key means."""
import configparser


class Values(dict):
    """A key that stands several times has all its values."""

    def __setitem__(self, key, value):
        super().__setitem__(key, self.get(key, []) + value if isinstance(value, list) else value)


def read(path):
    """The unit's keys by section; each is a list of values, in order."""
    unit = configparser.RawConfigParser(strict=False, dict_type=Values, delimiters="=", comment_prefixes="#")
    unit.optionxform = str
    with open(path) as file:
        unit.read_file(file)
    return {name: {key: [line for line in value.splitlines() if line] for key, value in unit[name].items()}
            for name in unit.sections()}
