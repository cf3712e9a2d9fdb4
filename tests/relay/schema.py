"""schema: holds JSON to the schemas of data/schema, as far as those use the language."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int, "number": (int, float)}
KNOWN = {"type", "enum", "const", "required", "properties", "additionalProperties", "items", "oneOf", "$ref", "minimum", "minLength", "maxLength"}
WORDS = {"$schema", "$id", "$defs", "title", "description"}


class Schema:
    def __init__(self, name):
        with open(os.path.join(tap.ROOT, "data", "schema", name), encoding="utf-8") as file:
            self.root = json.load(file)

    def problems(self, value, rule=None, at="it"):
        """What is wrong with a value, a sentence each."""
        rule = self.root if rule is None else rule
        strange = set(rule) - KNOWN - WORDS
        if strange:
            raise AssertionError("%s: these words are not known here: %s" % (at, strange))
        if "$ref" in rule:
            rule = {**self.root["$defs"][rule["$ref"].rpartition("/")[2]], **{k: v for k, v in rule.items() if k != "$ref"}}
        types = rule.get("type", [])
        types = [types] if isinstance(types, str) else types
        if types and not any(isinstance(value, TYPES[t]) and (t == "boolean") == isinstance(value, bool) for t in types):
            return ["%s is no %s: %r" % (at, types, value)]
        found = []
        if "enum" in rule and value not in rule["enum"]:
            found.append("%s is none of %s: %r" % (at, rule["enum"], value))
        if "const" in rule and value != rule["const"]:
            found.append("%s is not %r: %r" % (at, rule["const"], value))
        if isinstance(value, list) and "items" in rule:
            found += [problem for i, part in enumerate(value) for problem in self.problems(part, rule["items"], "%s[%d]" % (at, i))]
        if "minimum" in rule and isinstance(value, (int, float)) and value < rule["minimum"]:
            found.append("%s is too small: %r" % (at, value))
        if isinstance(value, str) and not rule.get("minLength", 0) <= len(value) <= rule.get("maxLength", len(value)):
            found.append("%s has the wrong length: %r" % (at, value))
        if isinstance(value, dict):
            found += self.of_object(value, rule, at)
        if "oneOf" in rule:
            sides = [self.problems(value, side, at) for side in rule["oneOf"]]
            if sum(not side for side in sides) != 1:
                found += [problem for side in sides for problem in side] or ["%s fits more than one" % at]
        return found

    def of_object(self, value, rule, at):
        found = ["%s lacks %s" % (at, name) for name in rule.get("required", []) if name not in value]
        for name, part in value.items():
            inside = rule.get("properties", {}).get(name, rule.get("additionalProperties", {}))
            if inside is False:
                found.append("%s has %s, which is not known" % (at, name))
            else:
                found += self.problems(part, {} if inside is True else inside, at + "." + name)
        return found
