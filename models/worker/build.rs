//! Lets the worker find libtorch: where a package puts it, beside the program, or where it was at build time.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/libtorch/lib:{folder}");
    }
}
