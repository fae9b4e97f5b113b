//! What the crate `tch` does not reach: operators of libtorch that take weights in oneDNN's own layout, and libtorch's threads.

use std::{
    ffi::{CStr, c_char, c_void},
    panic::{self, AssertUnwindSafe},
    ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tch::{Device, Kind, TchError, Tensor};
use torch_sys::C_tensor;

use crate::{Error, Out};

/// Rows that packed weights are laid out for. Any number can be multiplied with them.
const ROWS: i64 = 2048;

#[expect(unsafe_code, reason = "functions of onednn.cpp")]
unsafe extern "C" {
    fn harmonix_pack_linear(weight: *const C_tensor, rows: i64, out: *mut *mut C_tensor) -> *mut c_char;
    fn harmonix_linear(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        other: *const C_tensor,
        gelu: bool,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn harmonix_conv2d(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        padding: *const i64,
        stride: *const i64,
        dilation: *const i64,
        gelu: bool,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn harmonix_parallel(tasks: i64, run: unsafe extern "C" fn(*mut c_void, i64), context: *mut c_void);
}

/// Whether weights of these tensors' place and kind can be packed.
pub(crate) fn packs(weight: &Tensor) -> bool {
    cfg!(target_arch = "x86_64")
        && weight.device() == Device::Cpu
        && matches!(weight.kind(), Kind::Float | Kind::BFloat16)
}

/// What one of the functions has returned.
fn take(call: impl FnOnce(*mut *mut C_tensor) -> *mut c_char) -> Out {
    let mut out = ptr::null_mut();
    let error = call(&mut out);
    if error.is_null() {
        #[expect(unsafe_code, reason = "a tensor made by onednn.cpp")]
        // SAFETY: without an error `out` is a new tensor that nobody else owns.
        return Ok(unsafe { Tensor::from_ptr(out) });
    }
    #[expect(unsafe_code, reason = "a message made by onednn.cpp")]
    // SAFETY: an error is a string of the C library's allocator that nobody else owns.
    let message = unsafe {
        let message = CStr::from_ptr(error).to_string_lossy().into_owned();
        libc::free(error.cast());
        message
    };
    Err(Error::Torch(TchError::Torch(message)))
}

/// Weights `[out, in]` in oneDNN's layout, for [`linear`] only.
pub(crate) fn pack_linear(weight: &Tensor) -> Out {
    #[expect(unsafe_code, reason = "a function of onednn.cpp")]
    // SAFETY: the tensor lives as long as the call, which changes nothing of it.
    take(|out| unsafe { harmonix_pack_linear(weight.as_ptr(), ROWS, out) })
}

/// What follows a product in the same pass.
#[derive(Clone, Copy)]
pub(crate) enum After<'a> {
    Nothing,
    Gelu,
    Add(&'a Tensor),
}

/// `x · weightᵀ + bias` with packed weights.
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, after: After<'_>) -> Out {
    let other = if let After::Add(other) = after { other.as_ptr() } else { ptr::null() };
    let gelu = matches!(after, After::Gelu);
    #[expect(unsafe_code, reason = "a function of onednn.cpp")]
    // SAFETY: the tensors live as long as the call, which changes nothing of them; `other` may be null.
    take(|out| unsafe { harmonix_linear(x.as_ptr(), weight.as_ptr(), bias.as_ptr(), other, gelu, out) })
}

/// Strides, padding and dilation of a convolution over two axes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    pub(crate) stride: [i64; 2],
    pub(crate) padding: [i64; 2],
    pub(crate) dilation: [i64; 2],
}

/// Weights `[out, in, kernel, kernel]` in oneDNN's layout for inputs of that shape, for [`conv2d`] only.
pub(crate) fn pack_conv2d(weight: &Tensor, steps: Steps, input: [i64; 4]) -> Out {
    let Steps { stride, padding, dilation } = steps;
    let weight = weight.f_to_mkldnn(None)?;
    Ok(weight.f_mkldnn_reorder_conv2d_weight(padding, stride, dilation, 1, Some(&input[..]))?)
}

/// A convolution with packed weights.
pub(crate) fn conv2d(x: &Tensor, weight: &Tensor, bias: &Tensor, steps: Steps, gelu: bool) -> Out {
    let Steps { stride, padding, dilation } = steps;
    let [x, weight, bias] = [x, weight, bias].map(Tensor::as_ptr);
    let [stride, padding, dilation] = [&stride, &padding, &dilation].map(|values| values.as_ptr());
    #[expect(unsafe_code, reason = "a function of onednn.cpp")]
    // SAFETY: the tensors live as long as the call, which changes nothing of them; each array has two numbers.
    take(|out| unsafe { harmonix_conv2d(x, weight, bias, padding, stride, dilation, gelu, out) })
}

/// Calls `run` for each number below `tasks`, on the threads that libtorch computes with: threads of our own would compete
/// with those, which go on looking for work for a while. A panic is handed on.
pub(crate) fn parallel(tasks: usize, run: &(dyn Fn(usize) + Sync)) {
    struct Context<'a> {
        run: &'a (dyn Fn(usize) + Sync),
        panic: Mutex<Option<Box<dyn std::any::Any + Send>>>,
    }
    #[expect(unsafe_code, reason = "called from onednn.cpp")]
    unsafe extern "C" fn one(context: *mut c_void, task: i64) {
        // SAFETY: it is the context below, which outlives the call and is only read.
        let context = unsafe { &*context.cast::<Context<'_>>() };
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| (context.run)(task as usize))) {
            *lock(&context.panic) = Some(panic);
        }
    }
    let context = Context { run, panic: Mutex::new(None) };
    #[expect(unsafe_code, reason = "a function of onednn.cpp")]
    // SAFETY: it returns when all tasks have ended; the context may be shared between threads.
    unsafe {
        harmonix_parallel(tasks as i64, one, ptr::from_ref(&context).cast_mut().cast());
    }
    if let Some(panic) = context.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
        panic::resume_unwind(panic);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A dense tensor's samples.
pub(crate) fn samples(x: &Tensor) -> Result<&[f32], Error> {
    check(x)?;
    let (data, len) = (x.data_ptr().cast::<f32>(), x.numel());
    #[expect(unsafe_code, reason = "tch has no view of a tensor's memory")]
    // SAFETY: the tensor is dense and holds `len` floats in this process's memory; it is borrowed as long as the slice.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// A dense tensor's samples, to be changed by whoever has just made it and shares it with nobody.
pub(crate) fn samples_mut(x: &mut Tensor) -> Result<&mut [f32], Error> {
    check(x)?;
    let (data, len) = (x.data_ptr().cast::<f32>(), x.numel());
    #[expect(unsafe_code, reason = "tch has no view of a tensor's memory")]
    // SAFETY: as above; the callers own the only handle.
    Ok(unsafe { std::slice::from_raw_parts_mut(data, len) })
}

fn check(x: &Tensor) -> Result<(), Error> {
    let dense = x.kind() == Kind::Float && x.device() == Device::Cpu && x.is_contiguous();
    if dense { Ok(()) } else { Err(Error::Shape("a tensor of samples")) }
}
