//! Links a static program with its relocations packed and equal functions once: some megabytes less, for the same
//! program.

#![expect(clippy::disallowed_methods, reason = "Cargo tells a build script what is built through the environment")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is =
        |name: &str, wanted: &str| std::env::var(name).is_ok_and(|value| value.split(',').any(|one| one == wanted));
    // A loader has to know of them; in a static program that is our own libc.
    let packed = is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("CARGO_CFG_TARGET_FEATURE", "crt-static");
    if packed {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Rust brings its own linker here, which knows how. That two functions have two addresses, Rust does not promise.
    if packed && is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}
