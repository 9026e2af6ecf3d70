//! What is wrong is said before anything is installed.

use chatcluster_e2e::Helm;

use crate::world::{CHART, IMAGE, NAME};

fn refused(flags: &[&str]) -> String {
    let rendered = Helm::alone().unwrap().run(&[&["template", NAME, CHART], flags].concat());
    format!("{:#}", rendered.expect_err("it is rendered"))
}

#[test]
fn without_an_image_it_says_how_to_get_one() {
    let said = refused(&[]);
    for way in
        ["image.repository is not set", "make images", "kind load image-archive", "docker push"]
    {
        assert!(said.contains(way), "{way}: {said}");
    }
}

#[test]
fn a_wrong_value_is_named() {
    let wrong = [
        ("imgae.tag=1", "'imgae' not allowed"),
        ("image.repo=a", "at '/image': additional properties 'repo'"),
        ("image.repository=registry.example/chatcluster:1", "at '/image/repository'"),
        ("image.tag=1", "at '/image/tag': got number, want string"),
        ("image.digest=sha256:1", "at '/image/digest'"),
        ("image.pullPolicy=Sometimes", "at '/image/pullPolicy'"),
        ("imagePullSecrets[0]=mine", "at '/imagePullSecrets/0'"),
        ("redis.image=", "at '/redis/image'"),
        ("watchNamespaces=chat", "at '/watchNamespaces': got string, want array"),
        ("watchNamespaces={chat,chat}", "at '/watchNamespaces'"),
        ("watchNamespaces={Chat}", "at '/watchNamespaces/0'"),
        ("clusterDomain=.local", "at '/clusterDomain'"),
        ("concurrency=0", "at '/concurrency'"),
        ("replicas=-1", "at '/replicas'"),
        ("resources.request.cpu=1", "'request' not allowed"),
        ("podLabels.app\\.kubernetes\\.io/name=other", "app.kubernetes.io/name"),
        ("podAnnotations.count=1", "at '/podAnnotations/count'"),
        ("affinity.node.x=1", "at '/affinity': additional properties 'node'"),
        ("extraEnv[0].value=x", "at '/extraEnv/0': missing property 'name'"),
        ("crds.enabled=maybe", "at '/crds/enabled'"),
        ("crds.install=true", "at '/crds': additional properties 'install'"),
        ("serviceAccount.create=false", "serviceAccount.name has to name an account that exists"),
        ("serviceMonitor.interval=often", "at '/serviceMonitor/interval'"),
        ("networkPolicy.enable=true", "at '/networkPolicy': additional properties 'enable'"),
    ];
    for (value, named) in wrong {
        let said = refused(&[IMAGE, "--set", value]);
        assert!(said.contains(named), "{value}: {said}");
    }
}
