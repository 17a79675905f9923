"""The templates of --format."""

import pytest

from regbot.cli.made.format import Template
from regbot.errors import UsageError

IMAGE = {
    "architecture": "arm64",
    "config": {"Labels": {"a.b": "c"}, "Env": ["X=1", "Y=2"]},
    "rootfs": {"diff_ids": ["sha256:1"]},
    "os.version": "10",
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
        (r'{{"\q"}}', "can't be read (escapes are those of JSON)"),
        (f"{{{{index .a {'9' * 5000}}}}}", "can't be read"),
        ("{{if .x}}" * 3000 + "{{end}}" * 3000, "nested too deep"),
        ("{{" + "(" * 3000 + ".x" + ")" * 3000 + "}}", "nested too deep"),
    ],
)
def test_a_mistake_is_found_before_anything_runs(template, words):
    with pytest.raises(UsageError) as caught:
        Template(template)
    assert str(caught.value).startswith("--format: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("template", ["{{range .Size}}{{end}}", "{{index .Config.Env 7}}"])
def test_what_does_not_fit_the_value_is_an_error(template):
    with pytest.raises(UsageError):
        Template(template).render(IMAGE)
