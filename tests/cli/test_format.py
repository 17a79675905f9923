"""The templates of --format."""

import pytest

from regbot.cli.made.format import Template
from regbot.errors import UsageError

IMAGE = {
    "architecture": "arm64",
    "config": {"Labels": {"a.b": "c"}, "Env": ["X=1", "Y=2"]},
    "rootfs": {"diff_ids": ["sha256:1"]},
    "os.version": "10",
    "history": [{"created_by": "RUN x"}],
    "size": 3,
    "variant": "",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.Architecture}}", "arm64"),
        ("{{ .architecture }}/{{.OSVersion}}", "arm64/10"),
        ("{{.RootFS.DiffIDs}}", '["sha256:1"]'),
        ("{{.Config.Missing.Deeper}}", ""),
        ('{{index .Config.Labels "a.b"}}', "c"),
        ("{{index .Config.Env 1}}", "Y=2"),
        ("{{json .Config.Labels}}", '{"a.b":"c"}'),
        ("{{.Size}} {{len .Config.Env}}", "3 2"),
        ("{{range .Config.Env}}{{println .}}{{end}}", "X=1\nY=2\n"),
        ("{{range .None}}x{{else}}none{{end}}", "none"),
        ("{{join .Config.Env .None}}", "X=1Y=2"),
        ("{{if .Variant}}v{{else}}no{{end}}|{{if .Size}}yes{{end}}", "no|yes"),
        ('{{join .Config.Env ","}}', "X=1,Y=2"),
        ('{{index .Config.Labels "a.b" | upper}}', "C"),
        ('{{printf "%s is %q, 100%%" .Architecture .Size}}', "arm64 is 3, 100%"),
        ('{{default "none" .Variant}}', "none"),
        ("a {{- .Size -}} b", "a3b"),
        ("plain", "plain"),
        ("a{{/* }} {{ */}}b {{- /* c */ -}} c", "abc"),
        ('{{if eq .Architecture "amd64" "arm64"}}yes{{end}}', "yes"),
        ('{{if ne .Architecture "arm64"}}other{{else if .Size}}sized{{else}}no{{end}}', "sized"),
        ('{{if eq .Missing ""}}{{not .Size}}{{end}}', "false"),
        ('{{and .Size .Variant "x"}}|{{or .Variant .None 3}}', "|3"),
        ("{{if and .None (index .Config.Env 7)}}x{{end}}", ""),
        ("{{if and (ge .Size 3) (lt .Size 4.5) (gt .Size .None)}}yes{{end}}", "yes"),
        ("{{with .Config}}{{index .Env 0}}{{end}}{{with .None}}x{{else}}none{{end}}", "X=1none"),
        ("{{with .None}}{{else with .Size}}{{.}}{{end}}", "3"),
        ("{{range $n, $each := .Config.Env}}{{$n}}:{{$each}} {{end}}", "0:X=1 1:Y=2 "),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}{{end}}", "a.b=c"),
        ('{{$a := .Size}}{{range .Config.Env}}{{printf "%d-%s " $a .}}{{end}}', "3-X=1 3-Y=2 "),
        ("{{range .Config.Env}}{{$.Size}}{{end}}", "33"),
        ("{{with $c := .Config}}{{$c.Labels}}{{end}}", '{"a.b": "c"}'),
        ("{{(index .History 0).CreatedBy}}", "RUN x"),
        ('{{printf "%-6s|%3d" .Architecture .Size}}', "arm64 |  3"),
        ('{{"}}"}}{{`a"b`}}{{true}}', '}}a"btrue'),
        ("{{.GetConfig.Env}}", '["X=1", "Y=2"]'),
    ],
)
def test_a_template_is_filled_in(template, text):
    assert Template(template).render(IMAGE) == text


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{.x", "{{ without }}"),
        ("{{nosuch .}}", "no function 'nosuch'"),
        ("{{range .x}}", "{{range .x}} without {{end}}"),
        ("{{end}}", "{{end}} without its beginning"),
        ("{{}}", "a value is missing"),
        ("{{.a ?}}", "'?' can't be read"),
        ("{{.a .b}}", "'.b' is too much here"),
        ("{{if .x}}{{nosuch}}{{end}}", "no function 'nosuch'"),
        ("{{(.a}}", "( without )"),
        ("{{define `x`}}{{end}}", "define is not supported (docs/commands.md lists what is)"),
        ("{{range .a}}{{break}}{{end}}", "break is not supported"),
        ("{{range .a}}{{else range .b}}{{end}}", "else range .b is not supported"),
        ("{{urlquery .a}}", "no function 'urlquery'"),
        ("{{$x}}", "there is no variable $x"),
        ("{{if .a}}{{$x := 1}}{{end}}{{$x}}", "there is no variable $x"),
        ("{{$x = 1}}", "'= 1' can't be read (docs/commands.md lists what can)"),
        ("{{$a, $b := .x}}", ":= follows one variable, after range one or two"),
        ("{{.a := 1}}", ":= follows one variable"),
        ("{{.a | .b}}", "| needs a function, not .b"),
        ("{{with .x}}", "{{with .x}} without {{end}}"),
        (r'{{"\q"}}', "can't be read (escapes are those of JSON)"),
        (f"{{{{index .a {'9' * 5000}}}}}", "more than 1000 characters"),
        ("{{if .x}}" * 3000 + "{{end}}" * 3000, "nested too deep"),
        ("{{" + "(" * 450 + ".x" + ")" * 450 + "}}", "nested too deep"),
        ("{{" + ".x" * 3000 + "}}", "more than 1000 characters between {{ and }}"),
        ("{{.x" + " | len" * 3000 + "}}", "more than 1000 characters"),
    ],
)
def test_a_mistake_is_found_before_anything_runs(template, words):
    with pytest.raises(UsageError) as caught:
        Template(template)
    assert str(caught.value).startswith("--format: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{range .Size}}{{end}}", "range needs a list, not 3"),
        ("{{index .Config.Env 7}}", "index: there is no item 7"),
        ("{{index .Config.Env -1}}", "index: there is no item -1"),
        ("{{.Missing.GetPlatformList}}", ".GetPlatformList is not supported"),
        ("{{.IsList}}", ".IsList is not supported (docs/commands.md lists what is)"),
        ("{{.Architecture.Name}}", "there is no .Name in arm64 (see --json)"),
        ("{{.Config.Env.First}}", 'there is no .First in ["X=1", "Y=2"]'),
        ('{{printf "%x" .Size}}', "printf: %x is not supported"),
        ('{{printf "%s"}}', "printf: there is no value for %s"),
        ('{{printf "-" .Size}}', "printf: there are more values than places for them"),
        ('{{lt .Size "a"}}', "lt can't be used like this"),
    ],
)
def test_what_does_not_fit_the_value_is_an_error(template, words):
    with pytest.raises(UsageError) as caught:
        Template(template).render(IMAGE)
    assert str(caught.value).startswith("--format: ")
    assert words in str(caught.value)


def test_fields_besides_are_those_of_the_whole_value_alone():
    template = Template("{{$n := .Name}}{{range .Tags}}{{$n}}:{{.}} {{end}}{{json .}}")
    assert template.render(["v1"], {"name": "app", "tags": ["v1"]}) == 'app:v1 ["v1"]'


@pytest.mark.parametrize("template", ["{{" + ".x" * 500 + "}}", "{{.x" + "|not" * 249 + "}}"])
def test_the_longest_actions_are_worked_out(template):
    assert Template(template).render({}) in ("", "true")
