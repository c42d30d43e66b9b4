//! The scenarios are carried inside the binary: a changed or new one must lead to a new build.

fn main() {
    println!("cargo::rerun-if-changed=../../scenarios");
}
