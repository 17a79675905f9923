"""An object that a script was given comes back by its digest, not with its text."""

from itertools import count

import pytest
from support.images import make_image, push
from support.scripts import MEMORY, run_script_text

from regbot.lua import sandbox
from regbot.lua.api.catalogue import interface
from regbot.lua.api.documents import Documents
from regbot.lua.api.objects import give_manifest
from regbot.lua.calls import NEEDED
from regbot.oci.reference import Reference
from regbot.stopping import Stop
from regbot.store.ocidir import OciDirStore

REFERENCE = Reference.parse("registry.example.org/app:v1")
IMAGE = make_image(labels={"long": "x" * 1000})


@pytest.fixture
def layout(tmp_path):
    push(OciDirStore(Reference.parse(f"ocidir://{tmp_path}/layout")), IMAGE, "v1")
    return f"ocidir://{tmp_path}/layout"


class Answers:
    """Gives a manifest, keeps what it is asked, and has or lacks the documents."""

    def __init__(self, has):
        self.has = has
        self.calls = []

    def __call__(self, call):
        self.calls.append(call)
        if call.name == "manifest.get":
            given = give_manifest(REFERENCE, IMAGE.manifest)
            return given.kind, given.value
        fields = call.arguments[0][1]
        return ("", True) if self.has or "raw" in fields else (NEEDED, None)


@pytest.mark.parametrize("has", [True, False])
@pytest.mark.parametrize("call", ["m:put('a:b')", "parallel.map({1}, function() m:put('a:b') end)"])
def test_a_manifest_goes_back_whole_where_it_is_needed_and_nowhere_else(flavour, has, call):
    answers = Answers(has)
    visible = interface({}, memory=MEMORY, document_limit=2**20)
    source = f"local m = manifest.get('a:b') {call}"
    program = sandbox.Program("test", source.encode(), MEMORY, flavour)
    sandbox.run(program, visible, answers, Stop())
    sent = [call.arguments[0][1] for call in answers.calls[1:]]
    assert ["raw" in fields for fields in sent] == ([False] if has else [False, True])
    assert {fields["digest"] for fields in sent} == {str(IMAGE.digest)}


def test_edited_and_forgotten_objects_work_as_any(flavour, layout):
    source = """
        local first = manifest.get(args.repo .. ":v1")
        local edited = first:export()
        edited.annotations.note = "edited"
        edited = edited:export()
        for n = 1, 20 do
          local more = first:export()
          more.annotations.text = ("y"):rep(1000000) .. n
          more:export():put(args.repo .. ":more")
        end
        edited:put(args.repo .. ":edited")
        local config = image.config(first)
        assert(image.config(edited).Config.Labels.long == config.Config.Labels.long)
        local digest = blob.put(args.repo, config)
        assert(digest == first.config.digest)
        return manifest.get(args.repo .. ":edited").annotations.note, first:put()
    """
    ran = run_script_text(source, flavour=flavour, arguments={"repo": layout})
    assert ran.error is None
    assert ran.value == ["edited", str(IMAGE.digest)]


def test_the_oldest_documents_go_when_there_are_too_many():
    images = [make_image(labels={"n": str(number)}) for number in range(5)]
    given = [give_manifest(REFERENCE, image.manifest) for image in images]
    size = len(given[0].value["raw"])
    documents = Documents(3 * size)
    for passed in (given[0], given[1], given[2], given[1], given[3], given[4]):
        documents.keep(passed)
    found = [documents.of("manifest", passed.value) for passed in given]
    assert found == [None, images[1].manifest, None, images[3].manifest, images[4].manifest]


def test_a_document_is_that_of_its_kind_and_media_type():
    documents = Documents()
    given = give_manifest(REFERENCE, IMAGE.manifest)
    documents.keep(given)
    assert documents.of("config", given.value) is None
    assert documents.of("manifest", {**given.value, "mediaType": "another"}) is None


READS = ("Created", "created", "Config", "config", "rootfs", "History", "Platform", "missing")


@pytest.mark.parametrize("edit", ["ic.author = 'me'", "ic.Config.Labels.long = 'short'", ""])
def test_what_was_read_before_changes_no_export(flavour, layout, edit):
    """A field reaches Lua when it is first asked for; an export has all of them."""
    source = f"""
        local names, seen = {{{", ".join(map(repr, READS))}}}, {{}}
        for set = 0, 2 ^ #names - 1, 3 do
          local ic = image.config(args.repo .. ":v1")
          for position, name in ipairs(names) do
            if math.floor(set / 2 ^ (position - 1)) % 2 == 1 then local field = ic[name] end
          end
          {edit}
          seen[tostring(ic:export())] = true
          assert(ic.created == "2024-01-01 00:00:00 +0000 UTC" and ic.missing == nil)
          assert(#ic.History == 0 and ic.Platform.OS == "linux" and ic.rootfs.Type == "layers")
        end
        local texts = {{}}
        for text in pairs(seen) do texts[#texts + 1] = text end
        return texts
    """
    ran = run_script_text(source, flavour=flavour, arguments={"repo": layout})
    assert ran.error is None
    (texts,) = ran.value
    assert len(texts) == 1
    assert '"diff_ids"' in texts[0]
    assert ('"author": "me"' in texts[0]) == ("author" in edit)
    assert ('"long": "short"' in texts[0]) == ("short" in edit)


def test_the_objects_that_a_script_has_forgotten_do_not_pile_up(flavour):
    source = """
        local most = 0
        for n = 1, 2000 do
          local m = manifest.get("a:b")
          if m.annotations.long then most = math.max(most, collectgarbage("count")) end
        end
        return most
    """

    def answer(_):
        text = f"{next(numbers)}" + "x" * 10_000
        given = give_manifest(REFERENCE, make_image(annotations={"long": text}).manifest)
        return given.kind, given.value

    numbers = count()
    program = sandbox.Program("test", source.encode(), MEMORY, flavour)
    visible = interface({}, memory=MEMORY, document_limit=2**20)
    [kibibytes] = sandbox.run(program, visible, answer, Stop())
    assert 0 < kibibytes < 2_000


def test_what_an_object_holds_is_out_of_a_scripts_reach(flavour, layout):
    source = """
        local m = manifest.get(args.repo .. ":v1")
        return (pcall(getfenv, m)), (pcall(setfenv, m, {})), tostring(m) ~= ""
    """
    ran = run_script_text(source, flavour=flavour, arguments={"repo": layout})
    assert ran.value == [False, False, True]
