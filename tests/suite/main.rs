//! placeholder
#[test]
fn ok() {}
