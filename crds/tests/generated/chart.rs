//! The chart's README: a table of its values, out of the comments in values.yaml.

use std::fmt::Write;

const HEAD: &str = "\
<!-- Generated from values.yaml. `make generate` writes it. -->
# The chart `chatcluster-operator`

Installs the operator that runs ChatClusters, and the definition of the resource. [docs/kubernetes.md](../../docs/kubernetes.md) goes from here to a chat.

```sh
helm install chatcluster-operator charts/chatcluster-operator \\
  --namespace chatcluster-system --create-namespace \\
  --set image.repository=localhost/chatcluster --set image.tag=dev
helm test --namespace chatcluster-system chatcluster-operator
```
It needs Kubernetes 1.30 or newer, and Helm 3.17 or 4.

## The definition of the resource
It is upgraded with the chart, and stays when the chart is uninstalled, since deleting it deletes every ChatCluster. A release of the same name, in the same namespace, takes it again.

- It is there already, by `kubectl apply` or by a release of another name: `helm install --take-ownership`.
- Somebody else looks after it, or another operator's release does: `crds.enabled=false`.

## Rights
[templates/rbac.yaml](templates/rbac.yaml) gives each right of the operator its reason. The widest: it reads Secrets by name wherever it looks after ChatClusters, since a ChatCluster may name its own certificate and key; it cannot list them. With `watchNamespaces` it has no rights elsewhere; with `crds.enabled=false` and `rbac.aggregate=false` besides, nothing in the chart is outside of those namespaces and its own. Two operators must not look after the same namespace: give each its `watchNamespaces`.

Whoever has the role `view`, `edit` or `admin` in a namespace may see, or change, the ChatClusters in it.

## Values
| value | default | what it is |
|---|---|---|
";

/// The README.
pub(crate) fn readme(values: &str) -> String {
    let mut out = HEAD.to_owned();
    let (mut path, mut comment) = (Vec::<(usize, &str)>::new(), String::new());
    for line in values.lines() {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        if let Some(words) = text.strip_prefix('#') {
            if !comment.is_empty() {
                comment.push(' ');
            }
            comment.push_str(words.trim());
            continue;
        }
        let Some((key, value)) = text.split_once(':') else {
            comment.clear();
            continue;
        };
        path.retain(|(of, _)| *of < indent);
        path.push((indent, key));
        // What is inside of a default is not a value of its own.
        let inner = path.iter().any(|(_, key)| *key == "resources") && key != "resources";
        let names: Vec<_> = path.iter().map(|(_, key)| *key).collect();
        let is_leaf = !value.trim().is_empty();
        if (is_leaf || !comment.is_empty()) && !inner {
            assert!(!comment.is_empty(), "{} has no comment", names.join("."));
            let default = match value.trim() {
                "" => String::new(),
                value => format!("`{value}`"),
            };
            writeln!(out, "| `{}` | {default} | {comment} |", names.join(".")).unwrap();
        }
        comment.clear();
    }
    out
}
