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
The definition of the resource is upgraded with the chart, and stays when the chart is uninstalled, since deleting it deletes every ChatCluster. Whoever has the role `view`, `edit` or `admin` in a namespace may see, or change, the ChatClusters in it.

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
