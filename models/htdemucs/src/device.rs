//! Where a network computes.

use std::{env, fs, sync::Once, thread};

use harmonix_engine::{EngineError, protocol::Precision};
use tch::{Device, Kind};

use crate::Error;

/// Loads libtorch's CUDA half if it is installed. The linker leaves it out because nothing refers to it, and the first question
/// for CUDA is answered once and for all, so this comes before it.
fn load_cuda() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        if !fs::exists("/dev/nvidiactl").unwrap_or(false) {
            return;
        }
        #[expect(
            unsafe_code,
            reason = "loading a library runs its initialisers; this one is part of libtorch"
        )]
        // SAFETY: libtorch_cuda belongs to the libtorch that this program is linked with, which loads it the same way.
        let loaded = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
        // it stays for the process's life
        std::mem::forget(loaded);
    });
}

/// The device of a name: `auto` is a CUDA card if one can be used, else the processor.
pub(crate) fn find(name: &str) -> Result<Device, Error> {
    let refuse = |message: String| Err(Error::Engine(EngineError::Device(message)));
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" | "cuda" => {
            load_cuda();
            match (tch::Cuda::is_available(), name) {
                (true, _) => Ok(Device::Cuda(0)),
                (false, "auto") => Ok(Device::Cpu),
                _ => refuse("there is no CUDA card that libtorch can use".into()),
            }
        }
        other => refuse(format!("`{other}` is no device: auto, cpu or cuda")),
    }
}

/// What a network computes in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Arithmetic {
    /// Between layers.
    pub(crate) kind: Kind,
    /// Inside of products and convolutions.
    pub(crate) products: Kind,
}

/// What a network computes in on a device, and why if it is not what the precision stands for.
pub(crate) fn arithmetic(precision: Precision, device: Device) -> (Arithmetic, Option<&'static str>) {
    let of = |kind, products| Arithmetic { kind, products };
    match (precision, device) {
        (Precision::F32, _) => (of(Kind::Float, Kind::Float), None),
        (Precision::Fast, Device::Cuda(_)) => (of(Kind::Half, Kind::Half), None),
        (Precision::Fast, _) if has_bf16() => (of(Kind::Float, Kind::BFloat16), None),
        // without these instructions libtorch emulates bfloat16, at half the speed of single precision
        (Precision::Fast, _) => {
            (of(Kind::Float, Kind::Float), Some("this processor has no bfloat16 arithmetic: computed in f32"))
        }
    }
}

fn has_bf16() -> bool {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    flags.split_whitespace().any(|flag| matches!(flag, "avx512_bf16" | "amx_bf16" | "bf16"))
}

/// The device for people, e.g. `cpu` or `cuda:0 NVIDIA H100`.
pub(crate) fn describe(device: Device) -> String {
    let Device::Cuda(number) = device else { return "cpu".into() };
    let cards = fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let model =
        cards.filter_map(|card| fs::read_to_string(card.path().join("information")).ok()).find_map(|text| {
            text.lines().find_map(|line| line.strip_prefix("Model:").map(|model| model.trim().to_owned()))
        });
    model.map_or_else(|| format!("cuda:{number}"), |model| format!("cuda:{number} {model}"))
}

/// Threads that a network computes with: `OMP_NUM_THREADS`, else the processors that this process may use.
pub fn threads() -> usize {
    let wanted = env::var("OMP_NUM_THREADS").ok().and_then(|count| count.parse().ok());
    wanted
        .filter(|count| *count > 0)
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

/// Sets the threads of this process's networks, and keeps freed memory for their next tensors. Once, before the first
/// computation.
pub fn use_threads(count: usize) {
    // by default the C library gives each large tensor back to the kernel, which clears it page by page for the next
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the allocator's settings have no safe interface")]
    // SAFETY: these settings may be changed at any time; they take no pointers.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        // threads come and go with each residual branch
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
    let count = i32::try_from(count).unwrap_or(1);
    tch::set_num_threads(count);
    tch::set_num_interop_threads(1);
}
