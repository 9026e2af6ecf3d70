//! What is generated is committed and current. `UPDATE_EXPECT=1` writes it anew.

use expect_test::expect_file;

#[test]
fn the_openapi_document_is_current() {
    let document = format!("{:#}\n", chatcluster_gateway::backend::openapi());
    expect_file!["../openapi.json"].assert_eq(&document);
}
