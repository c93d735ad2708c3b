//! Does nothing: what any static program costs.

fn main() {}
