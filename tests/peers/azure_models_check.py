"""Whether what our fixtures add to the vendor's example answers is what the vendor's own models know.

Usage: azure_models_check.py FOLDER      with the parts of a world: FOLDER/*.json, as tests/replay reads them

Each row, item and body of a part that is not a file of examples/ is read and written again with a class of the packages
azure-mgmt-* or msgraph-sdk. A member that the class does not know, a value of another type, a value that an enumeration
does not have, and whatever is lost on the way are errors. Other casing of a member or of an enumeration's value is
allowed, and printed. What no package has a class for is named in
azure_models_map.py, with the reason; anything else is an error.

Each judged body is then spoilt with a member that nobody knows: that it is refused shows that it is judged at all.
"""

import datetime
import enum
import glob
import importlib
import inspect
import json
import os
import re
import sys
import types
import typing

from kiota_serialization_json.json_parse_node_factory import JsonParseNodeFactory
from kiota_serialization_json.json_serialization_writer import JsonSerializationWriter

from azure_models_map import ALSO, ANSWERS, COLUMNS, FLAGS, NOT_JUDGED, OPEN, ROWS

class Wrong(Exception):
    """What is wrong with a body."""


class Judge:
    """Holds one body against a class."""

    def __init__(self):
        self.wrong = []
        self.notes = []
        self.also = set()

    # Types, as annotations.

    def value(self, place, wanted, value, form=None):
        """The value with the casing that the models know."""
        if value is None or wanted in (typing.Any, object):
            return value
        origin = typing.get_origin(wanted)
        if origin is typing.Literal:
            known = [one.value if isinstance(one, enum.Enum) else one for one in typing.get_args(wanted)]
            return self.one_of(place, "what its class stands for", known, value)
        if origin in (typing.Union, types.UnionType):
            return self.union(place, [one for one in typing.get_args(wanted) if one is not type(None)], value, form)
        if origin in (list, typing.Sequence) or wanted is list:
            if not isinstance(value, list):
                return self.no(place, "a list", value)
            of = (typing.get_args(wanted) or (typing.Any,))[0]
            return [self.value(f"{place}[{index}]", of, one) for index, one in enumerate(value)]
        if origin in (dict, typing.Mapping) or wanted is dict:
            if not isinstance(value, dict):
                return self.no(place, "an object", value)
            of = (typing.get_args(wanted) or (str, typing.Any))[1]
            return {name: self.value(f"{place}.{name}", of, one) for name, one in value.items()}
        if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
            return self.enumeration(place, wanted, value)
        if isinstance(wanted, type) and (is_new(wanted) or is_old(wanted)):
            return self.model(place, wanted, value)
        return self.plain(place, wanted, value, form)

    def union(self, place, wanted, value, form):
        # An enumeration that may grow is written `Union[str, Enum]`: ours are of those that are known.
        for one in wanted:
            if isinstance(one, type) and issubclass(one, enum.Enum):
                return self.enumeration(place, one, value)
        if len(wanted) == 1:
            return self.value(place, wanted[0], value, form)
        tried = []
        for one in wanted:
            judge = Judge()
            made = judge.value(place, one, value, form)
            if not judge.wrong:
                self.notes += judge.notes
                self.also |= judge.also
                return made
            tried += judge.wrong
        self.wrong += tried
        return value

    def enumeration(self, place, wanted, value):
        return self.one_of(place, wanted.__name__, [one.value for one in wanted], value)

    def one_of(self, place, name, known, value):
        if value in known or name in OPEN and isinstance(value, str):
            return value
        for one in known:
            if isinstance(value, str) and isinstance(one, str) and one.lower() == value.lower():
                self.notes.append(f"casing: {place}: {value!r} is {one!r} in {name}")
                return one
        return self.no(place, f"one of {name} ({', '.join(map(str, known))})", value)

    def plain(self, place, wanted, value, form):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if wanted is str:
            good = isinstance(value, str)
        elif wanted is bool:
            good = isinstance(value, bool)
        elif wanted is int:
            good = number and value == int(value)
        elif wanted is float:
            good = number
        elif wanted in (datetime.datetime, datetime.date, datetime.time):
            good = number if form == "unix-timestamp" else moment(value) is not None
        elif wanted is datetime.timedelta:
            good = isinstance(value, str) and re.fullmatch(r"P(?=.)([\d.]+[YMWD])*(T([\d.]+[HMS])+)?", value)
        elif wanted in (bytes, bytearray):
            good = isinstance(value, str)
        else:
            good = False
        return value if good else self.no(place, getattr(wanted, "__name__", str(wanted)), value)

    def no(self, place, wanted, value):
        self.wrong.append(f"{place}: {json.dumps(value)[:80]} is not {wanted}")
        return value

    # Classes.

    def model(self, place, cls, value):
        if not isinstance(value, dict):
            return self.no(place, f"an object of {cls.__name__}", value)
        cls = self.variant(place, cls, value)
        tree = new_tree(cls) if is_new(cls) else old_tree(cls)
        return self.tree(place, cls, tree, value)

    def variant(self, place, cls, value):
        """The class that the body's own discriminator names."""
        for name, variants in discriminators(cls):
            said = next((one for other, one in value.items() if other.lower() == name.lower()), None)
            if said is None:
                return cls
            if said in variants:
                return self.variant(place, variants[said], value) if variants[said] is not cls else cls
            if not own_discriminator(cls, name, said):
                self.no(f"{place}.{name}", f"one of {', '.join(variants)}", said)
        return cls

    def tree(self, place, cls, tree, value):
        if not isinstance(value, dict):
            return self.no(place, f"an object of {cls.__name__}", value)
        made = {}
        for name, one in value.items():
            known = name if name in tree.members else None
            if known is None:
                known = next((other for other in tree.members if other.lower() == name.lower()), None)
                if known is not None:
                    self.notes.append(f"casing: {place}.{name} is {known!r} in {cls.__name__}")
            if known is None and tree.rest is not None:
                made[name] = self.value(f"{place}.{name}", tree.rest, one)
            elif known is None:
                if (cls.__name__, name) in ALSO:
                    self.also.add((cls.__name__, name))
                else:
                    self.wrong.append(f"{place}.{name}: {cls.__name__} has no such member")
            elif isinstance(tree.members[known], Tree):
                made[known] = None if one is None else self.tree(f"{place}.{name}", cls, tree.members[known], one)
            else:
                wanted, form = tree.members[known]
                made[known] = self.value(f"{place}.{name}", wanted, one, form)
        return made


class Tree:
    """The members of an object: a type and its form, or a tree where a class is flattened over several objects."""

    def __init__(self):
        self.members = {}
        self.rest = None


def moment(text):
    """An instant, to the microsecond."""
    if not isinstance(text, str):
        return None
    text = re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00")
    try:
        made = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return made if made.tzinfo else made.replace(tzinfo=datetime.timezone.utc)


# Classes that are mappings: `_attr_to_rest_field`, and annotations for the types.


def is_new(cls):
    return getattr(cls, "_is_model", False)


def new_fields(cls):
    cls()  # It is made up when it is first used.
    return cls._attr_to_rest_field


def hints(cls, of):
    models = sys.modules[cls.__module__.rsplit(".", 1)[0]]
    names = {"_models": models, "JSON": typing.MutableMapping[str, typing.Any], "_types": models, "_enums": models}
    return typing.get_type_hints(of, localns=names)


def new_tree(cls):
    tree, wanted = Tree(), hints(cls, cls)
    for attribute, field in new_fields(cls).items():
        tree.members[field._rest_name] = (wanted[attribute], field._format)
    return tree


# Classes with an `_attribute_map`.


def is_old(cls):
    return hasattr(cls, "_attribute_map")


def old_tree(cls):
    tree = Tree()
    wanted = hints(cls, cls.__init__)
    for attribute, entry in cls._attribute_map.items():
        path = [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", entry["key"])]
        if path == [""]:
            tree.rest = old_type(cls, entry["type"]).__args__[1]
            continue
        at = tree
        for part in path[:-1]:
            at = at.members.setdefault(part, Tree())
        form = "unix-timestamp" if entry["type"] == "unix-time" else None
        made = old_type(cls, entry["type"])
        # Only the constructor says which texts are of an enumeration.
        if made is str and attribute in wanted:
            made = wanted[attribute]
        elif made is str:
            made = documented(cls, attribute)
        at.members[path[-1]] = (made, form)
    return tree


OLD_TYPES = {
    "str": str, "bool": bool, "int": int, "long": int, "float": float, "object": typing.Any,
    "iso-8601": datetime.datetime, "rfc-1123": datetime.datetime, "unix-time": datetime.datetime,
    "duration": datetime.timedelta, "date": datetime.date, "time": datetime.time,
    "bytearray": bytearray, "base64": bytearray, "decimal": float,
}


def old_type(cls, name):
    if name[0] == "[":
        return list[old_type(cls, name[1:-1])]
    if name[0] == "{":
        return dict[str, old_type(cls, name[1:-1])]
    if name in OLD_TYPES:
        return OLD_TYPES[name]
    return getattr(sys.modules[cls.__module__.rsplit(".", 1)[0]], name)


def documented(cls, attribute):
    """The enumeration of a member that only the service writes: the constructor does not take it."""
    found = re.search(rf":vartype {attribute}: str or\s+~?([\w.]+)", inspect.getdoc(cls) or "")
    if not found:
        return str
    return getattr(sys.modules[cls.__module__.rsplit(".", 1)[0]], found.group(1).rsplit(".", 1)[1], str)


def discriminators(cls):
    if is_new(cls):
        if not hasattr(cls, "__mapping__"):
            return []
        own = [field for field in new_fields(cls).values() if field._is_discriminator]
        variants = new_variants(cls)
        return [(field._rest_name, variants) for field in own] if variants else []
    models = sys.modules[cls.__module__.rsplit(".", 1)[0]]
    found = []
    for attribute, variants in getattr(cls, "_subtype_map", {}).items():
        name = cls._attribute_map[attribute]["key"].replace("\\.", ".")
        found.append((name, {said: getattr(models, one) for said, one in variants.items()}))
    return found


def new_variants(cls):
    """The classes below one, at any depth, by what their discriminator says."""
    found = {}
    for name, one in cls.__mapping__.items():
        if issubclass(one, cls) and one is not cls:
            found[name.value if isinstance(name, enum.Enum) else name] = one
            if "__mapping__" in vars(one):
                found |= new_variants(one)
    return found


def own_discriminator(cls, name, said):
    """Whether a class is itself what the discriminator names."""
    for base in cls.__mro__:
        for _, variants in discriminators(base) if is_new(base) or is_old(base) else []:
            if variants.get(said) is cls:
                return True
    return False


def again(cls, body):
    """The body, read and written by the package itself."""
    if is_new(cls):
        return cls._deserialize(body, []).as_dict()
    return cls.deserialize(body).serialize(keep_readonly=True)


def lost(place, before, after):
    """What is not the same after the round."""
    if before is None or before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        return [one for name in before for one in lost(f"{place}.{name}", before[name], after.get(name))]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [one for index, pair in enumerate(zip(before, after)) for one in lost(f"{place}[{index}]", *pair)]
    if moment(before) is not None and moment(before) == moment(after):
        return []
    # A class all of whose members are missing is written as nothing.
    if before == {} and after is None:
        return []
    return [f"{place}: {json.dumps(before)[:80]} became {json.dumps(after)[:80]}"]


def named(name):
    module, cls = name.split(":")
    if module == "msgraph":
        file, cls = cls.split(".")
        module = f"msgraph.generated.models.{file}"
    return getattr(importlib.import_module(module), cls)


def resource(place, name, body):
    """Holds a body of Resource Manager against its class; gives what was noted."""
    cls, judge = named(name), Judge()
    made = judge.model(place, cls, body)
    if judge.wrong:
        raise Wrong("\n".join(judge.wrong))
    gone = lost(place, made, again(cls, made))
    if gone:
        raise Wrong("\n".join(gone))
    for also in judge.also:
        judge.notes.append(f"not judged: {place}: {also[1]}: {ALSO[also]}")
    return judge.notes


def row(place, name, body):
    """The same for a row, which has columns that the resource may not have."""
    cls = named(name)
    tree = new_tree(cls) if is_new(cls) else old_tree(cls)
    extra = COLUMNS - set(tree.members)
    return resource(place, name, {key: value for key, value in body.items() if key not in extra})


def graph(place, name, body):
    """Holds a body of Microsoft Graph against its class."""
    node = JsonParseNodeFactory().get_root_parse_node("application/json", json.dumps(body).encode())
    try:
        made = node.get_object_value(named(name))
        writer = JsonSerializationWriter()
        made.serialize(writer)
        after = json.loads(writer.get_serialized_content())
    except Exception as error:
        raise Wrong(f"{place}: {type(error).__name__}: {error}") from error
    wrong = lost(place, flags(place, body), after) + unknown(place, made)
    if wrong:
        raise Wrong("\n".join(wrong))
    return []


def flags(place, body):
    """The body without those values that are judged here."""
    if isinstance(body, list):
        return [flags(f"{place}[{index}]", one) for index, one in enumerate(body)]
    if not isinstance(body, dict):
        return body
    kept = {}
    for name, value in body.items():
        if name not in FLAGS:
            kept[name] = flags(f"{place}.{name}", value)
        elif not set(str(value).split(",")) <= {one.value for one in named(FLAGS[name])}:
            raise Wrong(f"{place}.{name}: {value!r} is not of {FLAGS[name]}")
    return kept


def unknown(place, made):
    """Members that a class of Microsoft Graph keeps without knowing them."""
    found = []
    if isinstance(made, list):
        return [one for index, item in enumerate(made) for one in unknown(f"{place}[{index}]", item)]
    if not hasattr(made, "backing_store"):
        return found
    for name in getattr(made, "additional_data", None) or {}:
        found.append(f"{place}.{name}: {type(made).__name__} has no such member")
    for name, value in vars(made).get("backing_store", made.backing_store).enumerate_():
        if name != "additional_data":
            found += unknown(f"{place}.{name}", value[1] if isinstance(value, tuple) else value)
    return found


def bodies(folder):
    """What is ours: where it stands, how it is held against a class (none where there is none), and the body."""
    for file in sorted(glob.glob(os.path.join(folder, "*.json"))):
        with open(file, "rb") as text:
            part = json.load(text)
        short = os.path.basename(file)
        for rows in part.get("rows", []):
            for one in rows.get("rows", []):
                kind = (rows.get("type") or one["type"]).lower()
                how = (kind, row, ROWS.get(kind))
                yield f"{short}: {one['id'].rsplit('/', 1)[-1]}", how, one
        for route in part.get("routes", []):
            path = route["path"].lower()
            ours = list(route.get("more", []))
            body = route.get("body")
            if isinstance(body, dict) and isinstance(body.get("value"), list):
                if set(body) != {"value"}:
                    sys.exit(f"{short}: {path}: a listing with other members")
                ours += body["value"]
            elif body is not None:
                ours.append(body)
            ends = [end for end in ANSWERS if path.endswith(end)]
            name = ANSWERS[max(ends, key=len)] if ends else None
            how = (path, graph if name and name.startswith("msgraph:") else resource, name)
            for index, one in enumerate(ours):
                yield f"{short}: {path.rsplit('*', 1)[-1]} {one.get('name') or one.get('id') or index}", how, one


def main():
    judged, notes, wrong, left = 0, [], [], {}
    for place, (what, hold, name), body in bodies(sys.argv[1]):
        if what in NOT_JUDGED:
            left[what] = left.get(what, 0) + 1
            continue
        if name is None:
            wrong.append(f"{place}: {what} is neither judged by a class nor named as not judged")
            continue
        try:
            notes += hold(place, name, body)
        except Wrong as error:
            wrong.append(str(error))
            continue
        judged += 1
        spoilt = [body | {"nobodyKnows": True}]
        if isinstance(body.get("properties"), dict):
            spoilt.append(body | {"properties": body["properties"] | {"nobodyKnows": True}})
        for one in spoilt:
            try:
                hold(place, name, one)
                wrong.append(f"{place}: {name} takes any member")
            except Wrong:
                pass
    for note in sorted(set(notes)):
        print(note)
    for what, count in sorted(left.items()):
        print(f"not judged: {what} ({count}): {NOT_JUDGED[what]}")
    print(f"{judged} bodies judged")
    if wrong:
        sys.exit("\n".join(wrong))


main()
