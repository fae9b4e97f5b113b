//! Compiles what the crate `tch` does not reach of libtorch, and lets this package's tests and programs find libtorch where it
//! was found at build time.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/onednn.cpp");
    let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    let include = Path::new(&folder).with_file_name("include");
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .flag("-fopenmp")
        // its headers are not ours to mend
        .flag(format!("-isystem{}", include.display()))
        .file("src/onednn.cpp")
        .compile("harmonix_onednn");
}
