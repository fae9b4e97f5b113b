//! Lets the worker find libtorch: beside the program, where the package expects it, or where it was at build time. A
//! package (`HARMONIX_PACKAGE`) knows nothing of the machine that it was built on.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=HARMONIX_PACKAGE");
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        let build =
            if std::env::var_os("HARMONIX_PACKAGE").is_some() { String::new() } else { format!(":{folder}") };
        println!(
            "cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/libtorch/lib:$ORIGIN/../../lib/harmonix/libtorch/lib{build}"
        );
    }
}
