// What the crate `tch` does not reach: operators of libtorch that take weights in oneDNN's own layout, and libtorch's threads.

#include <cstring>
#include <exception>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

namespace {

using Stack = std::vector<c10::IValue>;

at::Tensor call(const char *name, const char *overload, Stack stack) {
    c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).callBoxed(&stack);
    return stack.at(0).toTensor();
}

c10::List<std::optional<at::Scalar>> no_scalars() { return c10::List<std::optional<at::Scalar>>(); }

template <typename F> char *guarded(at::Tensor **out, F compute) {
    try {
        *out = new at::Tensor(compute());
        return nullptr;
    } catch (const std::exception &error) {
        return strdup(error.what());
    }
}

} // namespace

// Each returns null, or why it failed, to be freed by the caller. `out` is a new tensor.
extern "C" {

char *harmonix_pack_linear(const at::Tensor *weight, int64_t rows, at::Tensor **out) {
    return guarded(out, [&] { return call("mkldnn::_reorder_linear_weight", "", {*weight, rows}); });
}

// x · weightᵀ + bias, then GELU, or `other` added to it if there is one.
char *harmonix_linear(const at::Tensor *x, const at::Tensor *weight, const at::Tensor *bias, const at::Tensor *other,
                      bool gelu, at::Tensor **out) {
    return guarded(out, [&] {
        if (other) return call("mkldnn::_linear_pointwise", "binary", {*x, *other, *weight, *bias, "add"});
        return call("mkldnn::_linear_pointwise", "", {*x, *weight, *bias, gelu ? "gelu" : "none", no_scalars(), "none"});
    });
}

// A convolution over two axes, then GELU.
char *harmonix_conv2d(const at::Tensor *x, const at::Tensor *weight, const at::Tensor *bias, const int64_t *padding,
                      const int64_t *stride, const int64_t *dilation, bool gelu, at::Tensor **out) {
    return guarded(out, [&] {
        auto pair = [](const int64_t *values) { return c10::List<int64_t>({values[0], values[1]}); };
        return call("mkldnn::_convolution_pointwise", "",
                    {*x, *weight, *bias, pair(padding), pair(stride), pair(dilation), int64_t(1), gelu ? "gelu" : "none",
                     no_scalars(), "none"});
    });
}

// Calls `run(context, task)` for each task below `tasks`, on the threads that libtorch computes with.
void harmonix_parallel(int64_t tasks, void (*run)(void *, int64_t), void *context) {
    at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; task++) run(context, task);
    });
}
}
