// Kernels of a wheel against plain loops in double precision, where no PyTorch is: in an emulator of
// another processor. Says which layer differs; ends with 0 where none does.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <vector>

using Size = int64_t;
using Numbers = std::vector<float>;
using Wanted = std::vector<double>;

static void* library;
static int wrong = 0;

template <class Function> Function kernel(const char* name) {
  void* found = dlsym(library, name);
  if (!found) std::printf("no %s\n", name), std::_Exit(2);
  return reinterpret_cast<Function>(found);
}

static Numbers numbers(Size count, double phase) {
  Numbers made(count);
  for (Size i = 0; i < count; i++) made[i] = std::sin(1.7 * (i + 1) + phase);
  return made;
}

static void compare(const char* name, const Numbers& found, const Wanted& wanted) {
  double apart = 0, largest = 1;
  for (size_t i = 0; i < wanted.size(); i++) {
    apart = std::fmax(apart, std::isfinite(found[i]) ? std::fabs(found[i] - wanted[i]) : 1e9);
    largest = std::fmax(largest, std::fabs(wanted[i]));
  }
  bool good = apart <= 1e-4 * largest;
  std::printf("%s %s: %.1e of %.1e\n", good ? "right" : "wrong", name, apart, largest);
  wrong += !good;
}

constexpr Size N = 3, H = 10, W = 6, IN = 32, OUT = 64; // whole pairs of registers, tiles to spare

static bool inside(Size row, Size column) {
  return row >= 0 && row < H && column >= 0 && column < W;
}

static void convolutions() {
  Numbers x = numbers(N * H * W * IN, 0), weights = numbers(OUT * IN * 9, 1);
  Numbers bias = numbers(OUT, 2), g = numbers(N * H * W * OUT, 3);
  Numbers points(36 * OUT * IN), y(N * H * W * OUT), back(N * H * W * IN), sums(OUT * IN * 9);
  auto transform = kernel<int (*)(const float*, float*, Size, Size, Size)>("transform_weights");
  auto convolve = kernel<int (*)(const float*, const float*, const float*, float*, Size, Size,
                                 Size, Size, Size)>("convolve");
  auto correlate = kernel<int (*)(const float*, const float*, float*, Size, Size, Size, Size,
                                  Size)>("convolve_back");
  auto gather = kernel<int (*)(const float*, float*, Size, Size)>("gather_weights");
  int failed = transform(weights.data(), points.data(), OUT, IN, 0);
  failed |= convolve(x.data(), points.data(), bias.data(), y.data(), N, H, W, IN, OUT);
  failed |= transform(weights.data(), points.data(), OUT, IN, 1);
  failed |= convolve(g.data(), points.data(), nullptr, back.data(), N, H, W, OUT, IN);
  failed |= correlate(x.data(), g.data(), points.data(), N, H, W, IN, OUT);
  failed |= gather(points.data(), sums.data(), OUT, IN);
  wrong += failed;
  Wanted forth(y.size()), images(back.size()), kernels(sums.size());
  for (Size n = 0; n < N; n++)
    for (Size i = 0; i < H; i++)
      for (Size j = 0; j < W; j++)
        for (Size k = 0; k < OUT; k++) {
          Size at = ((n * H + i) * W + j) * OUT + k;
          forth[at] += bias[k];
          for (Size p = 0; p < 3; p++)
            for (Size q = 0; q < 3; q++)
              for (Size c = 0; c < IN && inside(i + p - 1, j + q - 1); c++) {
                Size from = ((n * H + i + p - 1) * W + j + q - 1) * IN + c;
                Size weight = (k * IN + c) * 9 + p * 3 + q;
                forth[at] += double(x[from]) * weights[weight];
                images[from] += double(g[at]) * weights[weight];
                kernels[weight] += double(g[at]) * x[from];
              }
        }
  compare("convolution", y, forth);
  compare("its gradient in images", back, images);
  compare("its gradient in weights", sums, kernels);
}

// Images (N, H, W, OUT) of their own mean and variance, scaled and shifted, channel by channel.
static Wanted normed(const Wanted& x, const Numbers& gain, const Numbers& shift) {
  Wanted y(x.size());
  for (Size n = 0; n < N; n++)
    for (Size c = 0; c < OUT; c++) {
      double mean = 0, square = 0;
      for (Size p = 0; p < H * W; p++) mean += x[(n * H * W + p) * OUT + c] / (H * W);
      for (Size p = 0; p < H * W; p++)
        square += std::pow(x[(n * H * W + p) * OUT + c] - mean, 2) / (H * W);
      for (Size p = 0; p < H * W; p++) {
        Size at = (n * H * W + p) * OUT + c;
        y[at] = (x[at] - mean) / std::sqrt(square + 1e-5) * gain[c] + shift[c];
      }
    }
  return y;
}

static Wanted pooled(const Wanted& x) {
  Wanted y(N * (H / 2) * (W / 2) * OUT);
  for (Size n = 0; n < N; n++)
    for (Size i = 0; i < H; i++)
      for (Size j = 0; j < W; j++)
        for (Size c = 0; c < OUT; c++)
          y[((n * (H / 2) + i / 2) * (W / 2) + j / 2) * OUT + c] +=
              std::fmax(x[((n * H + i) * W + j) * OUT + c], 0) / 4;
  return y;
}

static void norms() {
  Numbers x = numbers(N * H * W * OUT, 4), gain = numbers(OUT, 5), shift = numbers(OUT, 6);
  Numbers y(x.size()), small(N * (H / 2) * (W / 2) * OUT), statistics(N * 2 * OUT);
  Wanted wanted = normed(Wanted(x.begin(), x.end()), gain, shift);
  auto norm = kernel<int (*)(const float*, const float*, const float*, float*, float*, Size, Size,
                             Size, float)>("norm");
  auto normalise = kernel<int (*)(const float*, const float*, const float*, float*, float*, Size,
                                  Size, Size, Size, float)>("normalise");
  wrong += norm(x.data(), gain.data(), shift.data(), y.data(), statistics.data(), N, H * W, OUT,
                1e-5f);
  compare("instance norm", y, wanted);
  wrong += normalise(x.data(), gain.data(), shift.data(), small.data(), statistics.data(), N, H,
                     W, OUT, 1e-5f);
  compare("norm, relu and pooling", small, pooled(wanted));
}

static void first_block() {
  Numbers x = numbers(N * 3 * H * W, 7), weights = numbers(27 * OUT, 8), bias = numbers(OUT, 9);
  Numbers gain = numbers(OUT, 10), shift = numbers(OUT, 11), y(N * (H / 2) * (W / 2) * OUT);
  auto block = kernel<int (*)(const float*, const float*, const float*, const float*,
                              const float*, float*, Size, Size, Size, Size, Size, Size, float)>(
      "first_block");
  wrong += block(x.data(), weights.data(), bias.data(), gain.data(), shift.data(), y.data(), N, H,
                 W, 3, OUT, 1, 1e-5f);
  Wanted convolved(N * H * W * OUT);
  for (Size n = 0; n < N; n++)
    for (Size i = 0; i < H; i++)
      for (Size j = 0; j < W; j++)
        for (Size k = 0; k < OUT; k++) {
          double& total = convolved[((n * H + i) * W + j) * OUT + k] = bias[k];
          for (Size tap = 0; tap < 27; tap++) {
            Size row = i + tap % 9 / 3 - 1, column = j + tap % 3 - 1;
            if (inside(row, column))
              total += double(x[((n * 3 + tap / 9) * H + row) * W + column]) *
                       weights[tap * OUT + k];
          }
        }
  compare("first block", y, pooled(normed(convolved, gain, shift)));
}

int main(int, char** arguments) {
  library = dlopen(arguments[1], RTLD_NOW);
  if (!library) return std::printf("%s\n", dlerror()), 2;
  kernel<void (*)(Size)>("use_threads")(2);
  convolutions();
  norms();
  first_block();
  return wrong != 0;
}
