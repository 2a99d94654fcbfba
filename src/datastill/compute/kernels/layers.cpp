// Layers of small convolutional networks on a CPU: float32, channels last, 3x3 convolutions of
// stride 1. Sums run in an order that does not depend on the number of threads, nor on which of them
// takes what: work is handed out piece by piece, so that a thread that the system holds up holds up
// no more than the piece it has.
//
// The convolutions are Winograd's F(4x4, 3x3) as Lavin and Gray (Fast Algorithms for Convolutional
// Neural Networks, CVPR 2016) write it, Y = A' [(G g G') . (B' d B)] A: 36 multiplications for
// 16 results in place of 144.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <omp.h>
#include <type_traits>
#include <utility>

namespace {

using Size = int64_t;

// Given by the compiler's command line, for each set of instructions.
constexpr Size LANES = DATASTILL_LANES; // numbers in a register
constexpr Size ROWS = DATASTILL_ROWS;   // of a product held in registers, LANES x 2 columns wide
constexpr Size TILES = DATASTILL_TILES; // whose points stay in the cache of one core
constexpr Size TILES_BACK = DATASTILL_TILES_BACK; // the same, for gradients of weights
constexpr Size FOLDED = DATASTILL_FOLDED; // channels that a first block is folded from on, or 0

typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));
constexpr Size PAIR = 2 * LANES; // columns of a product that are held in registers
constexpr Size POINTS = 36;      // of a transformed tile
constexpr Size LEFT = 4;         // rows of a product where ROWS do not divide them

static_assert(LANES > 0 && (LANES & (LANES - 1)) == 0, "a register holds a power of two");
static_assert(ROWS > 0 && TILES % ROWS == 0, "a block of tiles is cut into products of ROWS rows");
static_assert(FOLDED >= 0, "a first block is folded from so many channels on, or never");
static_assert(PAIR % LEFT == 0, "channels are cut into ROWS and LEFT");

inline Lanes load(const float* from) {
  Lanes value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline void store(float* to, Lanes value) { std::memcpy(to, &value, sizeof value); }

inline float sum(Lanes value) {
  float total = 0;
  for (Size lane = 0; lane < LANES; lane++) total += value[lane];
  return total;
}

// Room for as many numbers for each thread; `at` is null where memory does not suffice.
struct Scratch {
  Size each;
  float* at;
  explicit Scratch(Size floats, Size threads = omp_get_max_threads())
      : each((floats + 15) / 16 * 16),
        at(static_cast<float*>(std::aligned_alloc(64, threads * each * sizeof(float)))) {}
  ~Scratch() { std::free(at); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  explicit operator bool() const { return at != nullptr; }
  float* mine() const { return at + omp_get_thread_num() * each; }
};

struct Grid {
  Size images, height, width, channels;
  Size down() const { return (height + 3) / 4; }
  Size across() const { return (width + 3) / 4; }
  Size tiles() const { return images * down() * across(); }
};

struct Corner {
  Size image, row, column;
  Corner(const Grid& grid, Size tile)
      : image(tile / (grid.down() * grid.across())),
        row(tile / grid.across() % grid.down() * 4),
        column(tile % grid.across() * 4) {}
};

constexpr Size WIDE = 128; // channels that are transformed at once: they stay next to the core
static_assert(WIDE % LANES == 0, "channels are transformed a register at a time");
alignas(64) const float NOTHING[WIDE] = {};

// Where the channels of a pixel begin, -1 where there is none.
inline Size pixel(const Grid& grid, const Corner& corner, Size row, Size column) {
  Size y = corner.row + row, x = corner.column + column;
  if (y < 0 || y >= grid.height || x < 0 || x >= grid.width) return -1;
  return ((corner.image * grid.height + y) * grid.width + x) * grid.channels;
}

inline const float* at(const float* images, const Grid& grid, const Corner& corner, Size row,
                       Size column, Size channel) {
  Size found = pixel(grid, corner, row, column);
  return found < 0 ? NOTHING : images + found + channel;
}

// One line of B' d. In 4 x - 5 y one product is rounded before the other is taken from it: which, is
// written so that no compiler has a choice. FUSED: the first is, and as it is by a power of two
// that changes nothing.
template <bool FUSED>
inline Lanes four_less_five(Lanes x, Lanes y) {
  if (!FUSED) return 4 * x - (4 * y + y);
  Lanes twice = x + x;
  return (twice + twice) - 5 * y;
}

template <bool FUSED>
inline void forth(const Lanes d[6], Lanes o[6]) {
  Lanes a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], c = d[4] - d[2], e = 2 * (d[3] - d[1]);
  o[0] = four_less_five<FUSED>(d[0], d[2]) + d[4];
  o[1] = a + b;
  o[2] = a - b;
  o[3] = c + e;
  o[4] = c - e;
  o[5] = four_less_five<FUSED>(d[1], d[3]) + d[5];
}

// One line of A' m.
inline void back(const Lanes m[6], Lanes o[4]) {
  Lanes a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
  o[0] = m[0] + a + c;
  o[1] = b + 2 * d;
  o[2] = a + 4 * c;
  o[3] = b + 8 * d + m[5];
}

// One line of A y: what the transpose of `back` does to a gradient.
inline void forth_again(const Lanes y[4], Lanes o[6]) {
  Lanes a = y[0] + y[2], b = y[1] + y[3], c = y[0] + 4 * y[2], d = 2 * y[1] + 8 * y[3];
  o[0] = y[0];
  o[1] = a + b;
  o[2] = a - b;
  o[3] = c + d;
  o[4] = c - d;
  o[5] = y[3];
}

// Where the transformed tiles of a block lie: points, tiles, channels. The steps are no powers of
// two: the points of a tile would fall on one another in the cache.
struct Layout {
  Size tile, point; // steps from one to the next
  Layout(Size tiles, Size channels) : tile(channels + 16), point(tiles * tile + LANES) {}
  Size at(Size p, Size t, Size c) const { return p * point + t * tile + c; }
  Size floats() const { return POINTS * point; }
};

// One line of a transform, for as many channels.
template <Size FROM, Size TO, void transform(const Lanes*, Lanes*)>
inline void line(const float* const (&from)[FROM], float* const (&to)[TO], Size channels) {
  for (Size c = 0; c < channels; c += LANES) {
    Lanes in[FROM], out[TO];
    for (Size i = 0; i < FROM; i++) in[i] = load(from[i] + c);
    transform(in, out);
    for (Size i = 0; i < TO; i++) store(to[i] + c, out[i]);
  }
}

// What lies between the two transforms of a tile: columns, lines, channels.
typedef float Half[6][6][WIDE];

// B' d B of tiles, which go to the slots from `slot` on.
void input_tiles(const float* x, const Grid& grid, Size tile, Size count, float* points, Size slot,
                 const Layout& layout) {
  alignas(64) Half half;
  for (Size c = 0; c < grid.channels; c += WIDE) {
    Size wide = std::min(WIDE, grid.channels - c);
    for (Size t = 0; t < count; t++) {
      Corner corner(grid, tile + t);
      // The last two columns of the tile on the left are the first two of this one.
      Size known = t > 0 && corner.column > 0 ? 2 : 0;
      const float* from[6];
      float* to[6];
      for (Size j = known; j < 6; j++) {
        for (Size i = 0; i < 6; i++) from[i] = at(x, grid, corner, i - 1, j - 1, c);
        for (Size i = 0; i < 6; i++) to[i] = half[(corner.column + j) % 6][i];
        line<6, 6, forth<true>>(from, to, wide);
      }
      for (Size i = 0; i < 6; i++) {
        for (Size j = 0; j < 6; j++) from[j] = half[(corner.column + j) % 6][i];
        for (Size j = 0; j < 6; j++) to[j] = points + layout.at(i * 6 + j, slot + t, c);
        line<6, 6, forth<false>>(from, to, wide);
      }
    }
  }
}

// A g A' likewise.
void gradient_tiles(const float* g, const Grid& grid, Size tile, Size count, float* points,
                    Size slot, const Layout& layout) {
  alignas(64) Half half;
  for (Size c = 0; c < grid.channels; c += WIDE) {
    Size wide = std::min(WIDE, grid.channels - c);
    for (Size t = 0; t < count; t++) {
      Corner corner(grid, tile + t);
      const float* from[4];
      float* to[6];
      for (Size j = 0; j < 4; j++) {
        for (Size i = 0; i < 4; i++) from[i] = at(g, grid, corner, i, j, c);
        for (Size i = 0; i < 6; i++) to[i] = half[j][i];
        line<4, 6, forth_again>(from, to, wide);
      }
      for (Size i = 0; i < 6; i++) {
        for (Size j = 0; j < 4; j++) from[j] = half[j][i];
        for (Size j = 0; j < 6; j++) to[j] = points + layout.at(i * 6 + j, slot + t, c);
        line<4, 6, forth_again>(from, to, wide);
      }
    }
  }
}

// A' m A of tiles, and the bias.
void output_tiles(const float* points, const Layout& layout, const float* bias, float* y,
                  const Grid& grid, Size tile, Size count) {
  alignas(64) Half half;
  alignas(64) float beyond[WIDE]; // the image, where nobody looks
  for (Size c = 0; c < grid.channels; c += WIDE) {
    Size wide = std::min(WIDE, grid.channels - c);
    const float* shift = bias ? bias + c : NOTHING;
    for (Size t = 0; t < count; t++) {
      Corner corner(grid, tile + t);
      const float* from[6];
      float* to[4];
      for (Size j = 0; j < 6; j++) {
        for (Size i = 0; i < 6; i++) from[i] = points + layout.at(i * 6 + j, t, c);
        for (Size i = 0; i < 4; i++) to[i] = half[j][i];
        line<6, 4, back>(from, to, wide);
      }
      for (Size i = 0; i < std::min<Size>(4, grid.height - corner.row); i++) {
        for (Size j = 0; j < 6; j++) from[j] = half[j][i];
        for (Size j = 0; j < 4; j++) {
          Size found = pixel(grid, corner, i, j);
          to[j] = found < 0 ? beyond : y + found + c;
        }
        for (Size k = 0; k < wide; k += LANES) {
          Lanes in[6], out[4];
          for (Size j = 0; j < 6; j++) in[j] = load(from[j] + k);
          back(in, out);
          for (Size j = 0; j < 4; j++) store(to[j] + k, out[j] + load(shift + k));
        }
      }
    }
  }
}

// out(row) (+)= sum over p of a[row * a_row + p * next] * b(p): rows of PAIR columns, each in two
// halves, of a depth of one at least. What comes next is fetched meanwhile, `step` numbers for each
// p. The compiler knows the number of every half, so that each sum stays in a register: an array
// that a loop goes through, or that might be stored as it began, goes by way of the stack.
template <Size... HALF>
inline void product(std::integer_sequence<Size, HALF...>, const float* a, Size a_row, Size next,
                    const float* b, Size b_row, float* out, Size out_row, Size depth, bool add,
                    const float* ahead, Size step) {
  Lanes total[] = {(add ? load(out + HALF / 2 * out_row + HALF % 2 * LANES) : Lanes{})...};
  Size p = 0;
  do {
    __builtin_prefetch(ahead + p * step);
    const Lanes columns[] = {load(b + p * b_row), load(b + p * b_row + LANES)};
    ((total[HALF] += a[HALF / 2 * a_row + p * next] * columns[HALF % 2]), ...);
  } while (++p < depth);
  (store(out + HALF / 2 * out_row + HALF % 2 * LANES, total[HALF]), ...);
}

template <Size R>
using Rows = std::make_integer_sequence<Size, 2 * R>; // of a product, each PAIR wide

const float G[6][3] = {{1 / 4.f, 0, 0},
                       {-1 / 6.f, -1 / 6.f, -1 / 6.f},
                       {-1 / 6.f, 1 / 6.f, -1 / 6.f},
                       {1 / 24.f, 1 / 12.f, 1 / 6.f},
                       {1 / 24.f, -1 / 12.f, 1 / 6.f},
                       {0, 0, 1}};

// Where LANES transformed weights from k on lie, of (wide, deep).
inline Size weight_at(Size point, Size k, Size c, Size wide, Size deep) {
  return (point * wide + k / PAIR * PAIR) * deep + c * PAIR + k % PAIR;
}

// The block of a ConvNet behind its convolution: instance norm, relu, mean of 2x2 pixels.
struct Norm {
  Lanes mean, scale, gain, shift; // scale: 1 / standard deviation

  Lanes normal(Lanes x) const { return (x - mean) * scale; }
  Lanes before_relu(Lanes x) const { return normal(x) * gain + shift; }
};

// What is not a number stays none.
inline Lanes rectified(Lanes x) { return x <= 0 ? Lanes{} : x; }

// Of COUNT times LANES channels, `step` apart: sums that wait for themselves take turns.
template <Size COUNT>
struct Deviations {
  // From the first pixel: squares of large numbers would cancel.
  Lanes first[COUNT], total[COUNT] = {}, squares[COUNT] = {};

  Deviations(const float* x, Size step) {
    for (Size k = 0; k < COUNT; k++) first[k] = load(x + k * step);
  }

  void see(const float* x, Size step, Size pixels, Size stride) {
    for (Size p = 0; p < pixels; p++)
      for (Size k = 0; k < COUNT; k++) {
        Lanes d = load(x + k * step + p * stride) - first[k];
        total[k] += d;
        squares[k] += d * d;
      }
  }

  void close(Size pixels, float epsilon, Norm* norms) const {
    for (Size k = 0; k < COUNT; k++) {
      Lanes offset = total[k] / static_cast<float>(pixels);
      Lanes variance = squares[k] / static_cast<float>(pixels) - offset * offset, scale{};
      for (Size lane = 0; lane < LANES; lane++)
        scale[lane] = 1 / std::sqrt(std::max(variance[lane], 0.f) + epsilon);
      norms[k] = {first[k] + offset, scale, Lanes{}, Lanes{}};
    }
  }
};

// Pixels whose channels are read one group after the other: they stay next to the core.
constexpr Size NEAR = 16;

// The norms of all channels of an image; `sums` is room for as many.
inline void norms_of(const float* x, Size pixels, Size channels, float epsilon,
                     Deviations<1>* sums, Norm* norms) {
  for (Size c = 0; c < channels; c += LANES) sums[c / LANES] = Deviations<1>(x + c, 0);
  for (Size p = 0; p < pixels; p += NEAR)
    for (Size c = 0; c < channels; c += LANES)
      sums[c / LANES].see(x + p * channels + c, 0, std::min(NEAR, pixels - p), channels);
  for (Size c = 0; c < channels; c += LANES)
    sums[c / LANES].close(pixels, epsilon, norms + c / LANES);
}

constexpr Size TURNS = 2; // groups of LANES channels of a first block that take turns

// Completes a norm, and tells mean and scale.
inline void known(Norm& norm, const float* gain, const float* shift, float* statistics,
                  Size channels) {
  norm.gain = load(gain);
  norm.shift = load(shift);
  store(statistics, norm.mean);
  store(statistics + channels, norm.scale);
}

// A row of pools, of the two rows of pixels from x on.
inline void pooled_row(const float* x, Size stride, Size width, const Norm& norm, float* y,
                       Size step) {
  for (Size j = 0; j < width / 2; j++) {
    const float* corner = x + 2 * j * stride;
    Lanes total = rectified(norm.before_relu(load(corner)));
    total += rectified(norm.before_relu(load(corner + stride)));
    total += rectified(norm.before_relu(load(corner + width * stride)));
    total += rectified(norm.before_relu(load(corner + (width + 1) * stride)));
    store(y + j * step, total * .25f);
  }
}

struct Moments { Lanes plain, normal; }; // sums of the gradient before the relu, and times `normal`

inline Lanes behind_relu(Lanes x, const Norm& norm, Lanes g) {
  return norm.before_relu(x) <= 0 ? Lanes{} : g * .25f;
}

// The pixels of a row, and the gradients of the pools that they are in. Those in an odd last row or
// column are in no pool, and have no gradient of their own.
template <typename Visit>
inline void each_pixel(Size row, Size height, Size width, const float* g, Size step, Visit visit) {
  Size columns = width / 2, pixel = row * width;
  const float* from = g + row / 2 * columns * step;
  if (row / 2 == height / 2) {
    for (Size j = 0; j < width; j++) visit(pixel + j, Lanes{});
    return;
  }
  for (Size j = 0; j < columns; j++) {
    Lanes d = load(from + j * step);
    visit(pixel + 2 * j, d);
    visit(pixel + 2 * j + 1, d);
  }
  if (width % 2) visit(pixel + width - 1, Lanes{});
}

// Of a row, added to those of the rows before.
inline Moments moments(Moments found, Size row, const float* x, Size stride, Size height,
                       Size width, const Norm& norm, const float* g, Size step) {
  each_pixel(row, height, width, g, step, [&](Size pixel, Lanes from) {
    Lanes value = load(x + pixel * stride), d = behind_relu(value, norm, from);
    found.plain += d;
    found.normal += d * norm.normal(value);
  });
  return found;
}

// How many pixels a mean is of. Division is slow, and by a power of two, as most images have, the
// same as a product, bit for bit.
struct Pixels {
  float count, share;
  bool exact;
  explicit Pixels(Size pixels)
      : count(static_cast<float>(pixels)), share(1 / count), exact((pixels & (pixels - 1)) == 0) {}
  Lanes mean(Lanes total) const { return exact ? total * share : total / count; }
};

// The gradient before the norm, of one behind it.
struct BeforeNorm {
  Norm norm;
  Lanes factor, mean, slope; // of the norm; of the gradient; of the gradient times `normal`

  BeforeNorm() = default;
  BeforeNorm(const Norm& norm, const Moments& total, const Pixels& pixels)
      : norm(norm), factor(norm.gain * norm.scale), mean(pixels.mean(total.plain)),
        slope(total.normal) {}

  Lanes operator()(Lanes x, Lanes d, const Pixels& pixels) const {
    return factor * (d - mean - pixels.mean(norm.normal(x) * slope));
  }
};

// What `before_norm` asks of x, g and gain when it is differentiated itself. With h = normal(x), d
// the gradient behind the relu and v that of the result: gx = gain scale (d - sum d / P - h sum dh
// / P), so <v, gx> = gain scale (sum vd - sum d sum v / P - sum dh sum vh / P), in which scale and
// h follow x.
struct Again {
  Norm norm;
  Lanes gain_again, shift_again;
  float pixels;
  Moments d, v;       // sums, and sums times h
  Lanes both, slope;  // sum vd; <v, gx> / gain / scale
  Lanes mean, turn;   // of what h receives, alone and times h

  Again(const Norm& norm, Lanes gain_again, Lanes shift_again, float pixels)
      : norm(norm), gain_again(gain_again), shift_again(shift_again), pixels(pixels), d{}, v{},
        both{}, slope{}, mean{}, turn{} {}

  void see(Lanes x, Lanes from, Lanes w) {
    Lanes h = norm.normal(x), e = behind_relu(x, norm, from);
    d.plain += e;
    d.normal += e * h;
    v.plain += w;
    v.normal += w * h;
    both += w * e;
  }

  void close() {
    Lanes factor = norm.gain * norm.scale / pixels;
    slope = both - (d.plain * v.plain + d.normal * v.normal) / pixels;
    mean = (gain_again * d.plain - factor * (d.plain * v.normal + d.normal * v.plain)) / pixels;
    turn = (gain_again * d.normal - 2 * factor * d.normal * v.normal) / pixels;
  }

  Lanes in_image(Lanes x, Lanes e, Lanes w) const {
    Lanes h = norm.normal(x), factor = norm.gain * norm.scale / pixels;
    Lanes received = gain_again * e - factor * (e * v.normal + d.normal * w);
    return norm.scale * (received - mean - h * (turn + factor * slope));
  }

  Lanes in_gradient(Lanes x, Lanes w) const {
    Lanes h = norm.normal(x);
    Lanes found = norm.gain * norm.scale * (w - (v.plain + h * v.normal) / pixels) + shift_again +
                  gain_again * h;
    return behind_relu(x, norm, found);
  }
};

// A first convolution: few channels in, whose padded copy is read one number at a time.
struct First {
  Size height, width, channels, padding; // of the images
  Size out_height() const { return height + 2 * padding - 2; }
  Size out_width() const { return width + 2 * padding - 2; }
  Size padded_width() const { return width + 2 * padding; }
  Size padded() const { return (height + 2 * padding) * padded_width() * channels; }
  Size taps() const { return 9 * channels; }
  // Where the pixel under a tap lies, from the one under the first tap.
  Size offset(Size tap) const {
    Size c = tap / 9, row = tap % 9 / 3, column = tap % 3;
    return (c * (height + 2 * padding) + row) * padded_width() + column;
  }
};

void pad(const float* x, const First& first, float* padded) {
  std::fill(padded, padded + first.padded(), 0.f);
  for (Size c = 0; c < first.channels; c++)
    for (Size i = 0; i < first.height; i++)
      std::copy_n(x + (c * first.height + i) * first.width, first.width,
                  padded + (c * (first.height + 2 * first.padding) + i + first.padding) *
                               first.padded_width() + first.padding);
}

// SPAN pixels of a row of the convolution, COUNT times LANES channels; weights (taps, out),
// y (COUNT, pixels, LANES), `step` from one to the next
template <Size SPAN, Size COUNT>
inline void convolve_span(const float* corner, const First& first, const float* weights, Size out,
                          const float* bias, float* y, Size step) {
  Size wide = first.padded_width(), plane = (first.height + 2 * first.padding) * wide;
  Lanes total[SPAN][COUNT];
  for (Size q = 0; q < SPAN; q++)
    for (Size k = 0; k < COUNT; k++) total[q][k] = load(bias + k * LANES);
  const float* weight = weights;
  for (Size c = 0; c < first.channels; c++)
    for (Size row = 0; row < 3; row++) {
      const float* under = corner + c * plane + row * wide;
      for (Size column = 0; column < 3; column++, weight += out) {
        Lanes factor[COUNT];
        for (Size k = 0; k < COUNT; k++) factor[k] = load(weight + k * LANES);
        for (Size q = 0; q < SPAN; q++)
          for (Size k = 0; k < COUNT; k++) total[q][k] += under[q + column] * factor[k];
      }
    }
  for (Size q = 0; q < SPAN; q++)
    for (Size k = 0; k < COUNT; k++) store(y + k * step + q * LANES, total[q][k]);
}

// COUNT times LANES channels of the convolution and their norms, row by row.
template <Size COUNT>
inline void convolve_first(const float* padded, const First& first, const float* weights, Size out,
                           const float* bias, float* y, Size step, float epsilon, Norm* norms) {
  constexpr Size SPAN = 4; // pixels at once: with TURNS, as many sums as any registers hold
  Size rows = first.out_height(), columns = first.out_width();
  convolve_span<1, COUNT>(padded, first, weights, out, bias, y, step);
  Deviations<COUNT> found(y, step);
  for (Size i = 0; i < rows; i++) {
    const float* corner = padded + i * first.padded_width();
    float* row = y + i * columns * LANES;
    Size j = 0;
    for (; j + SPAN <= columns; j += SPAN)
      convolve_span<SPAN, COUNT>(corner + j, first, weights, out, bias, row + j * LANES, step);
    for (; j < columns; j++)
      convolve_span<1, COUNT>(corner + j, first, weights, out, bias, row + j * LANES, step);
    found.see(row, step, columns, LANES);
  }
  found.close(rows * columns, epsilon, norms);
}

// The same, of up to TURNS groups; returns how many.
inline Size convolve_first(const float* padded, const First& first, const float* weights, Size out,
                           const float* bias, float* y, Size step, Size groups, float epsilon,
                           Norm* norms) {
  if (groups >= TURNS) {
    convolve_first<TURNS>(padded, first, weights, out, bias, y, step, epsilon, norms);
    return TURNS;
  }
  convolve_first<1>(padded, first, weights, out, bias, y, step, epsilon, norms);
  return 1;
}

// A first block of many channels. All that its norms need follows from the 3x3 patches of an image:
// with their mean m and covariance C, a channel of weights w has the mean w'm + bias and the
// variance w'Cw. So a norm is known before anything is convolved, and folded into the weights; what
// is convolved goes on, through the relu, into the mean of its pool, and is never written. The
// gradients need no more than sums of the patches. Neighbours in a row are convolved by Winograd's
// F(2, 3), 4 multiplications in place of 6; what is added up for them beforehand is the same for
// all channels.

constexpr Size MOST_TAPS = 36;             // of four channels
constexpr Size MOST_LINES = MOST_TAPS / 3; // of three taps in a row
constexpr Size STEPS = 4;                  // multiplications for two neighbours and a line
constexpr Size SPAN = 2;                   // pools at once

typedef double Precise __attribute__((vector_size(LANES / 2 * sizeof(double))));
constexpr Size PRECISE = LANES / 2; // numbers of double precision in a register

inline Precise load(const double* from) {
  Precise value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline double sum(Precise value) {
  double total = 0;
  for (Size lane = 0; lane < PRECISE; lane++) total += value[lane];
  return total;
}

// In double precision: a variance may be a small difference of large products.
struct Patches {
  double mean[MOST_TAPS], covariance[MOST_TAPS][MOST_TAPS];
  Precise products[MOST_LINES][MOST_LINES][3][3], single[MOST_LINES][3]; // sums over the pixels

  void know(const double* padded, const First& first) {
    Size rows = first.out_height(), columns = first.out_width(), wide = first.padded_width();
    Size plane = (rows + 2) * wide, lines = 3 * first.channels;
    for (Size l = 0; l < lines; l++) {
      std::memset(products[l], 0, sizeof products[l]);
      std::memset(single[l], 0, sizeof single[l]);
    }
    for (Size c = 0; c < first.channels; c++)
      for (Size y = 0; y < rows + 2; y++) {
        const double* row = padded + c * plane + y * wide;
        alone(row, columns, 3 * c, std::max<Size>(0, y - rows + 1), std::min<Size>(2, y));
        for (Size d = c; d < first.channels; d++)
          for (Size down = c == d ? 0 : -2; down <= 2; down++) {
            // Rows of taps of c that lie here while those `down` further, of d, lie there.
            Size from = std::max({Size{0}, -down, y - rows + 1});
            Size to = std::min({Size{2}, 2 - down, y});
            if (from <= to)
              together(row, row + (d - c) * plane + down * wide, columns, 3 * c, 3 * d + down,
                       from, to);
          }
      }
    settle(lines, static_cast<double>(rows * columns));
  }

  void alone(const double* row, Size columns, Size line, Size from, Size to) {
    for (Size s = 0; s < 3; s++) {
      Precise total{};
      Size j = 0;
      for (; j + PRECISE <= columns; j += PRECISE) total += load(row + j + s);
      for (; j < columns; j++) total[0] += row[j + s];
      for (Size r = from; r <= to; r++) single[line + r][s] += total;
    }
  }

  void together(const double* one, const double* two, Size columns, Size line, Size other,
                Size from, Size to) {
    Precise total[3][3] = {};
    Size j = 0;
    for (; j + PRECISE <= columns; j += PRECISE)
      for (Size s = 0; s < 3; s++)
        for (Size u = 0; u < 3; u++) total[s][u] += load(one + j + s) * load(two + j + u);
    for (; j < columns; j++)
      for (Size s = 0; s < 3; s++)
        for (Size u = 0; u < 3; u++) total[s][u][0] += one[j + s] * two[j + u];
    for (Size r = from; r <= to; r++)
      for (Size s = 0; s < 3; s++)
        for (Size u = 0; u < 3; u++) products[line + r][other + r][s][u] += total[s][u];
  }

  void settle(Size lines, double pixels) {
    for (Size t = 0; t < 3 * lines; t++) mean[t] = sum(single[t / 3][t % 3]) / pixels;
    for (Size t = 0; t < 3 * lines; t++)
      for (Size u = t / 3 * 3; u < 3 * lines; u++)
        covariance[t][u] = covariance[u][t] =
            sum(products[t / 3][u / 3][t % 3][u % 3]) / pixels - mean[t] * mean[u];
  }
};

// The norms of LANES channels, as they follow from the patches.
struct Foreseen {
  Size taps;
  double weights[MOST_TAPS][LANES], across[MOST_TAPS][LANES]; // w and C w
  double mean[LANES], scale[LANES]; // without the bias; 1 / standard deviation

  // The norm takes the bias away, and what of it is no number leaves none.
  Foreseen(const Patches& patches, Size taps, const float* from, Size step, const float* bias,
           float epsilon)
      : taps(taps), mean{} {
    for (Size t = 0; t < taps; t++)
      for (Size k = 0; k < LANES; k++) weights[t][k] = from[t * step + k];
    double variance[LANES];
    for (Size k = 0; k < LANES; k++) variance[k] = bias[k] - bias[k];
    for (Size t = 0; t < taps; t += 3) times(patches.covariance + t, t);
    for (Size t = 0; t < taps; t++)
      for (Size k = 0; k < LANES; k++) {
        variance[k] += across[t][k] * weights[t][k];
        mean[k] += patches.mean[t] * weights[t][k];
      }
    for (Size k = 0; k < LANES; k++)
      scale[k] = 1 / std::sqrt(epsilon + std::max(variance[k], 0.));
  }

  // Three rows of C w, whose sums are held in registers.
  void times(const double (*covariance)[MOST_TAPS], Size t) {
    Precise total[3][2] = {};
    for (Size u = 0; u < taps; u++) {
      Precise left = load(weights[u]), right = load(weights[u] + PRECISE);
      for (Size i = 0; i < 3; i++) {
        total[i][0] += covariance[i][u] * left;
        total[i][1] += covariance[i][u] * right;
      }
    }
    for (Size i = 0; i < 3; i++) std::memcpy(across[t + i], total[i], sizeof total[i]);
  }
};

// What convolves to a fourth of what comes before the relu, for F(2, 3).
struct Folded {
  Lanes steps[MOST_LINES][STEPS], shift;

  Folded(const Foreseen& foreseen, const float* gain, const float* plus) {
    alignas(64) float step[STEPS][LANES], constant[LANES];
    double factor[LANES];
    for (Size k = 0; k < LANES; k++) {
      factor[k] = .25 * gain[k] * foreseen.scale[k];
      constant[k] = static_cast<float>(.25 * plus[k] - factor[k] * foreseen.mean[k]);
    }
    shift = load(constant);
    for (Size line = 0; line < foreseen.taps / 3; line++) {
      const double(*w)[LANES] = foreseen.weights + 3 * line;
      for (Size k = 0; k < LANES; k++) {
        double outer = .5 * (w[0][k] + w[2][k]), inner = .5 * w[1][k];
        step[0][k] = static_cast<float>(factor[k] * w[0][k]);
        step[1][k] = static_cast<float>(factor[k] * (outer + inner));
        step[2][k] = static_cast<float>(factor[k] * (outer - inner));
        step[3][k] = static_cast<float>(factor[k] * w[2][k]);
      }
      for (Size i = 0; i < STEPS; i++) steps[line][i] = load(step[i]);
    }
  }
};

// What the steps of F(2, 3) multiply: of every row of a padded image, for each pair of pixels of
// the convolution.
struct Pairs {
  Size count, row, plane; // of a row; steps from one to the next
  explicit Pairs(const First& first)
      : count(first.out_width() / 2), row(count * STEPS), plane((first.out_height() + 2) * row) {}

  void add_up(const float* padded, const First& first, float* pairs) const {
    for (Size y = 0; y < first.channels * (first.out_height() + 2); y++)
      for (Size j = 0; j < count; j++) {
        const float* x = padded + y * first.padded_width() + 2 * j;
        float* to = pairs + y * row + j * STEPS;
        to[0] = x[0] - x[2];
        to[1] = x[1] + x[2];
        to[2] = x[2] - x[1];
        to[3] = x[3] - x[1];
      }
  }
};

// The 2x2 pixels of COUNT pools side by side: a fourth of what they are before the relu.
template <Size COUNT>
inline void convolve_pools(const float* at, const Pairs& pairs, Size channels, const Folded& by,
                           Lanes (&y)[COUNT][2][2]) {
  Lanes plus[COUNT][2], minus[COUNT][2];
  for (Size q = 0; q < COUNT; q++)
    for (Size row = 0; row < 2; row++) plus[q][row] = by.shift, minus[q][row] = Lanes{};
  for (Size c = 0; c < channels; c++)
    for (Size r = 0; r < 3; r++)
      for (Size row = 0; row < 2; row++)
        for (Size q = 0; q < COUNT; q++) {
          const float* x = at + c * pairs.plane + (row + r) * pairs.row + q * STEPS;
          plus[q][row] += x[1] * by.steps[3 * c + r][1];
          minus[q][row] += x[2] * by.steps[3 * c + r][2];
        }
  for (Size q = 0; q < COUNT; q++)
    for (Size row = 0; row < 2; row++) {
      y[q][row][0] = plus[q][row] + minus[q][row];
      y[q][row][1] = plus[q][row] - minus[q][row];
    }
  for (Size c = 0; c < channels; c++)
    for (Size r = 0; r < 3; r++)
      for (Size row = 0; row < 2; row++)
        for (Size q = 0; q < COUNT; q++) {
          const float* x = at + c * pairs.plane + (row + r) * pairs.row + q * STEPS;
          y[q][row][0] += x[0] * by.steps[3 * c + r][0];
          y[q][row][1] += x[3] * by.steps[3 * c + r][3];
        }
}

template <Size COUNT>
inline void pool(const float* at, const Pairs& pairs, Size channels, const Folded& by, float* y,
                 Size step) {
  Lanes x[COUNT][2][2];
  convolve_pools(at, pairs, channels, by, x);
  for (Size q = 0; q < COUNT; q++) {
    Lanes total{};
    for (Size row = 0; row < 2; row++)
      for (Size side = 0; side < 2; side++)
        total += x[q][row][side] < 0 ? Lanes{} : x[q][row][side]; // what is no number stays none
    store(y + q * step, total);
  }
}

// The gradients of COUNT pools before the relu, as F(2, 3) multiplies them; returns their sum.
template <Size COUNT>
inline Lanes unpool(const float* at, const Pairs& pairs, Size channels, const Folded& by,
                    const float* g, Size step, Lanes (*found)[2][STEPS]) {
  Lanes x[COUNT][2][2], total{};
  convolve_pools(at, pairs, channels, by, x);
  for (Size q = 0; q < COUNT; q++) {
    Lanes from = load(g + q * step);
    for (Size row = 0; row < 2; row++) {
      Lanes left = x[q][row][0] <= 0 ? Lanes{} : from;
      Lanes right = x[q][row][1] <= 0 ? Lanes{} : from;
      found[q][row][0] = left;
      found[q][row][1] = left + right;
      found[q][row][2] = left - right;
      found[q][row][3] = right;
      total += found[q][row][1];
    }
  }
  return total;
}

// Sums over the pixels of a row of pools of what lies under a tap, times the gradient; of one
// channel, whose sums are held in registers.
inline void correlate_row(const float* at, const Pairs& pairs, const Lanes (*g)[2][STEPS],
                          Lanes (*sums)[STEPS]) {
  Lanes total[3][STEPS] = {};
  for (Size q = 0; q < pairs.count; q++)
    for (Size row = 0; row < 2; row++)
      for (Size i = 0; i < STEPS; i++)
        for (Size r = 0; r < 3; r++)
          total[r][i] += at[(row + r) * pairs.row + q * STEPS + i] * g[q][row][i];
  for (Size r = 0; r < 3; r++)
    for (Size i = 0; i < STEPS; i++) sums[r][i] += total[r][i];
}

// The gradients of weights, shift and gain, from four times the sums of d, the gradient before the
// relu, alone and times the patches. With h = normal(x) the gradient before the norm is gain scale
// (d - sum d / P - h sum dh / P), and the sum of h times the patches is P scale C w.
inline void finish(const Foreseen& foreseen, const Patches& patches, const float* gain,
                   const Lanes (*sums)[STEPS], Lanes plain, float* into, Size out) {
  Size taps = foreseen.taps;
  double found[MOST_TAPS][LANES], total[LANES], normal[LANES] = {};
  for (Size k = 0; k < LANES; k++) total[k] = .25 * plain[k];
  for (Size line = 0; line < taps / 3; line++)
    for (Size k = 0; k < LANES; k++) {
      const Lanes* s = sums[line];
      double one = s[1][k], two = s[2][k];
      found[3 * line][k] = .25 * (s[0][k] + .5 * (one + two));
      found[3 * line + 1][k] = .125 * (one - two);
      found[3 * line + 2][k] = .25 * (s[3][k] + .5 * (one + two));
    }
  for (Size t = 0; t < taps; t++)
    for (Size k = 0; k < LANES; k++) {
      found[t][k] -= patches.mean[t] * total[k];
      normal[k] += foreseen.scale[k] * foreseen.weights[t][k] * found[t][k];
    }
  for (Size k = 0; k < LANES; k++) {
    double scale = foreseen.scale[k];
    for (Size t = 0; t < taps; t++)
      into[t * out + k] = static_cast<float>(
          gain[k] * scale * (found[t][k] - normal[k] * scale * foreseen.across[t][k]));
    into[taps * out + k] = static_cast<float>(total[k]);
    into[(taps + 1) * out + k] = static_cast<float>(normal[k]);
  }
}

// Room of one thread for an image.
struct Room {
  const First& first;
  Pairs pairs;
  Scratch padded, precise, added;

  explicit Room(const First& first)
      : first(first), pairs(first), padded(first.padded()), precise(2 * first.padded()),
        added(first.channels * pairs.plane) {}
  explicit operator bool() const { return padded && precise && added; }

  // Looks at an image, and returns what the steps multiply.
  const float* see(const float* x, Patches& patches) const {
    double* wide = reinterpret_cast<double*>(precise.mine());
    pad(x, first, padded.mine());
    std::copy_n(padded.mine(), first.padded(), wide);
    patches.know(wide, first);
    pairs.add_up(padded.mine(), first, added.mine());
    return added.mine();
  }
};

inline bool folds(const First& first, Size out) {
  return FOLDED && out >= FOLDED && first.taps() <= MOST_TAPS;
}

int folded_block(const float* x, const float* weights, const float* bias, const float* gain,
                 const float* shift, float* y, Size images, const First& first, Size out,
                 float epsilon) {
  Size high = first.out_height() / 2, wide = first.out_width() / 2, deep = first.channels;
  Room room(first);
  if (!room) return 1;
  const Pairs& pairs = room.pairs;
#pragma omp parallel
  {
    Patches patches;
#pragma omp for schedule(dynamic)
    for (Size n = 0; n < images; n++) {
      const float* added = room.see(x + n * deep * first.height * first.width, patches);
      for (Size c = 0; c < out; c += LANES) {
        Foreseen foreseen(patches, first.taps(), weights + c, out, bias + c, epsilon);
        Folded by(foreseen, gain + c, shift + c);
        for (Size i = 0; i < high; i++) {
          const float* at = added + 2 * i * pairs.row;
          float* to = y + (n * high + i) * wide * out + c;
          Size j = 0;
          for (; j + SPAN <= wide; j += SPAN)
            pool<SPAN>(at + j * STEPS, pairs, deep, by, to + j * out, out);
          for (; j < wide; j++) pool<1>(at + j * STEPS, pairs, deep, by, to + j * out, out);
        }
      }
    }
  }
  return 0;
}

int folded_block_back(const float* x, const float* weights, const float* bias, const float* gain,
                      const float* shift, const float* g, float* sums, Size images,
                      const First& first, Size out, float epsilon) {
  Size high = first.out_height() / 2, wide = first.out_width() / 2, deep = first.channels;
  Size each = (first.taps() + 2) * out;
  Room room(first);
  Scratch unpooled(wide * 2 * STEPS * LANES);
  if (!room || !unpooled) return 1;
  const Pairs& pairs = room.pairs;
#pragma omp parallel
  {
    Patches patches;
    auto rows = reinterpret_cast<Lanes(*)[2][STEPS]>(unpooled.mine());
#pragma omp for schedule(dynamic)
    for (Size n = 0; n < images; n++) {
      const float* added = room.see(x + n * deep * first.height * first.width, patches);
      for (Size c = 0; c < out; c += LANES) {
        Foreseen foreseen(patches, first.taps(), weights + c, out, bias + c, epsilon);
        Folded by(foreseen, gain + c, shift + c);
        Lanes found[MOST_LINES][STEPS] = {}, total{};
        for (Size i = 0; i < high; i++) {
          const float *at = added + 2 * i * pairs.row, *from = g + (n * high + i) * wide * out + c;
          Size j = 0;
          for (; j + SPAN <= wide; j += SPAN)
            total += unpool<SPAN>(at + j * STEPS, pairs, deep, by, from + j * out, out, rows + j);
          for (; j < wide; j++)
            total += unpool<1>(at + j * STEPS, pairs, deep, by, from + j * out, out, rows + j);
          for (Size d = 0; d < deep; d++)
            correlate_row(at + d * pairs.plane, pairs, rows, found + 3 * d);
        }
        finish(foreseen, patches, gain + c, found, total, sums + n * each + c, out);
      }
    }
  }
  return 0;
}

} // namespace

// All that follows returns 0, or 1 where memory does not suffice.
extern "C" {

// PyTorch may have brought an OpenMP of its own, which does not know how many threads it was told.
void use_threads(Size count) { omp_set_num_threads(static_cast<int>(count)); }

// weights (out, in, 3, 3) -> points (36, out / PAIR, in, PAIR); or, for the gradient of the
// input, of the turned weights (36, in / PAIR, out, PAIR).
int transform_weights(const float* weights, float* points, Size out, Size in, Size turned) {
  Size wide = turned ? in : out, deep = turned ? out : in;
#pragma omp parallel for schedule(dynamic)
  for (Size k = 0; k < wide; k += LANES)
    for (Size c = 0; c < deep; c++) {
      Lanes g[3][3], half[6][3];
      for (Size p = 0; p < 9; p++)
        for (Size lane = 0; lane < LANES; lane++) {
          Size pair = turned ? c * in + k + lane : (k + lane) * in + c;
          g[p / 3][p % 3][lane] = weights[pair * 9 + (turned ? 8 - p : p)];
        }
      for (Size i = 0; i < 6; i++)
        for (Size j = 0; j < 3; j++)
          half[i][j] = G[i][0] * g[0][j] + G[i][1] * g[1][j] + G[i][2] * g[2][j];
      for (Size i = 0; i < 6; i++)
        for (Size j = 0; j < 6; j++)
          store(points + weight_at(i * 6 + j, k, c, wide, deep),
                half[i][0] * G[j][0] + half[i][1] * G[j][1] + half[i][2] * G[j][2]);
    }
  return 0;
}

// The transpose of `transform_weights`, for gradients.
int gather_weights(const float* points, float* weights, Size out, Size in) {
#pragma omp parallel for schedule(dynamic)
  for (Size k = 0; k < out; k += LANES)
    for (Size c = 0; c < in; c++) {
      Lanes half[3][6] = {}, g[9] = {};
      for (Size i = 0; i < 6; i++)
        for (Size j = 0; j < 6; j++) {
          Lanes m = load(points + weight_at(i * 6 + j, k, c, out, in));
          for (Size p = 0; p < 3; p++) half[p][j] += G[i][p] * m;
        }
      for (Size p = 0; p < 3; p++)
        for (Size q = 0; q < 3; q++)
          for (Size j = 0; j < 6; j++) g[p * 3 + q] += half[p][j] * G[j][q];
      for (Size lane = 0; lane < LANES; lane++)
        for (Size p = 0; p < 9; p++) weights[((k + lane) * in + c) * 9 + p] = g[p][lane];
    }
  return 0;
}

// x (images, height, width, in) -> y (images, height, width, out)
int convolve(const float* x, const float* points, const float* bias, float* y, Size images,
             Size height, Size width, Size in, Size out) {
  Grid from{images, height, width, in}, to{images, height, width, out};
  Layout layout(TILES, std::max(in, out));
  // The products of a point lie where the tiles of the one before lay, which nobody needs any more:
  // a block takes half the cache.
  Scratch room(layout.floats() + layout.point);
  if (!room) return 1;
#pragma omp parallel
  {
    float *m = room.mine(), *v = m + layout.point;
    std::fill(m, v + layout.floats(), 0.f);
#pragma omp for schedule(dynamic)
    for (Size start = 0; start < from.tiles(); start += TILES) {
      Size count = std::min(TILES, from.tiles() - start);
      input_tiles(x, from, start, count, v, 0, layout);
      for (Size point = 0; point < POINTS; point++)
        for (Size k = 0; k < out; k += PAIR) {
          const float* weights = points + (point * out + k) * in;
          Size size = PAIR * in; // of these, which all tiles are multiplied by
          for (Size t = 0; t < count; t += ROWS) // beyond count: leftovers that nobody reads
            product(Rows<ROWS>(), v + layout.at(point, t, 0), layout.tile, 1, weights, PAIR,
                    m + layout.at(point, t, k), layout.tile, in, false,
                    weights + size + t * size / TILES, PAIR * ROWS / TILES);
        }
      output_tiles(m, layout, bias, y, to, start, count);
    }
  }
  return 0;
}

// The gradient of the weights, as points (36, out / PAIR, in, PAIR)
int convolve_back(const float* x, const float* g, float* points, Size images, Size height,
                  Size width, Size in, Size out) {
  constexpr Size SHARE = 4; // tiles that a thread transforms at a time
  Grid from{images, height, width, in}, to{images, height, width, out};
  Size block = std::min(TILES_BACK, from.tiles());
  Layout inputs(block, in), outputs(block, out);
  Scratch v(inputs.floats(), 1), m(outputs.floats(), 1);
  if (!v || !m) return 1;
  for (Size start = 0; start < from.tiles(); start += block) {
    Size count = std::min(block, from.tiles() - start);
#pragma omp parallel
    {
#pragma omp for schedule(dynamic)
      for (Size t = 0; t < count; t += SHARE) {
        Size share = std::min(SHARE, count - t);
        input_tiles(x, from, start + t, share, v.at, t, inputs);
        gradient_tiles(g, to, start + t, share, m.at, t, outputs);
      }
#pragma omp for schedule(dynamic)
      for (Size point = 0; point < POINTS; point++)
        for (Size k = 0; k < out; k += PAIR) {
          const float *columns = v.at + inputs.at(point, 0, 0), *b = m.at + outputs.at(point, 0, k);
          float* into = points + (point * out + k) * in;
          Size c = 0;
          auto multiply = [&](auto rows) {
            product(Rows<rows>(), columns + c, 1, inputs.tile, b, outputs.tile, into + c * PAIR, PAIR,
                    count, start > 0, into + (c + ROWS) * PAIR, PAIR * ROWS / TILES_BACK);
            c += rows;
          };
          while (c < in)
            if ((in - c) % ROWS)
              multiply(std::integral_constant<Size, LEFT>());
            else
              multiply(std::integral_constant<Size, ROWS>());
        }
    }
  }
  return 0;
}

// x (images, height, width, channels) -> y (images, height / 2, width / 2, channels);
// statistics (images, 2, channels): mean and 1 / standard deviation
int normalise(const float* x, const float* gain, const float* shift, float* y, float* statistics,
               Size images, Size height, Size width, Size channels, float epsilon) {
  Size pixels = height * width, pools = (height / 2) * (width / 2);
  Scratch room(channels / LANES * sizeof(Norm) / sizeof(float));
  Scratch sums(channels / LANES * sizeof(Deviations<1>) / sizeof(float));
  if (!room || !sums) return 1;
#pragma omp parallel
  {
    Norm* norms = reinterpret_cast<Norm*>(room.mine());
    Deviations<1>* seen = reinterpret_cast<Deviations<1>*>(sums.mine());
#pragma omp for schedule(dynamic)
    for (Size n = 0; n < images; n++) {
      const float* image = x + n * pixels * channels;
      norms_of(image, pixels, channels, epsilon, seen, norms);
      for (Size c = 0; c < channels; c += LANES)
        known(norms[c / LANES], gain + c, shift + c, statistics + 2 * n * channels + c, channels);
      for (Size i = 0; i < height / 2; i++)
        for (Size c = 0; c < channels; c += LANES)
          pooled_row(image + 2 * i * width * channels + c, channels, width, norms[c / LANES],
                     y + (n * pools + i * (width / 2)) * channels + c, channels);
    }
  }
  return 0;
}

// sums (images, 2, channels): the gradients of shift and gain, image by image
int normalise_back(const float* x, const float* gain, const float* shift, const float* statistics,
                    const float* g, float* gx, float* sums, Size images, Size height, Size width,
                    Size channels) {
  Size pixels = height * width, pools = (height / 2) * (width / 2);
  Pixels count(pixels);
  Scratch room(channels / LANES * sizeof(BeforeNorm) / sizeof(float));
  Scratch found(channels / LANES * sizeof(Norm) / sizeof(float));
  Scratch added(channels / LANES * sizeof(Moments) / sizeof(float));
  if (!room || !found || !added) return 1;
#pragma omp parallel
  {
    BeforeNorm* known = reinterpret_cast<BeforeNorm*>(room.mine());
    Norm* norms = reinterpret_cast<Norm*>(found.mine());
    Moments* totals = reinterpret_cast<Moments*>(added.mine());
#pragma omp for schedule(dynamic)
    for (Size n = 0; n < images; n++) {
      const float *image = x + n * pixels * channels, *from = g + n * pools * channels;
      for (Size c = 0; c < channels; c += LANES)
        norms[c / LANES] = {load(statistics + 2 * n * channels + c),
                            load(statistics + (2 * n + 1) * channels + c), load(gain + c),
                            load(shift + c)};
      std::fill(totals, totals + channels / LANES, Moments{});
      for (Size i = 0; i < height; i++)
        for (Size c = 0; c < channels; c += LANES)
          totals[c / LANES] = moments(totals[c / LANES], i, image + c, channels, height, width,
                                      norms[c / LANES], from + c, channels);
      for (Size c = 0; c < channels; c += LANES) {
        const Moments& total = totals[c / LANES];
        store(sums + 2 * n * channels + c, total.plain);
        store(sums + (2 * n + 1) * channels + c, total.normal);
        known[c / LANES] = {norms[c / LANES], total, count};
      }
      // Pixel by pixel: results that are written in order need not be fetched first.
      for (Size i = 0; i < height; i++)
        for (Size j = 0; j < width; j++) {
          bool in = i / 2 < height / 2 && j / 2 < width / 2;
          const float* d = from + (i / 2 * (width / 2) + j / 2) * channels;
          Size pixel = (i * width + j) * channels;
          for (Size c = 0; c < channels; c += LANES) {
            const BeforeNorm& before = known[c / LANES];
            Lanes value = load(image + pixel + c);
            Lanes behind = behind_relu(value, before.norm, in ? load(d + c) : Lanes{});
            store(gx + n * pixels * channels + pixel + c, before(value, behind, count));
          }
        }
    }
  }
  return 0;
}

// The gradients of what `normalise_back` finds: of <v, gx> + <gain_again, gain's> +
// <shift_again, shift's>, in x, in g and, image by image, in the gain: gains (images, channels).
int normalise_back_again(const float* x, const float* gain, const float* shift,
                          const float* statistics, const float* g, const float* v,
                          const float* gain_again, const float* shift_again, float* x_again,
                          float* g_again, float* gains, Size images, Size height, Size width,
                          Size channels) {
  Size pixels = height * width, columns = width / 2, pools = (height / 2) * columns;
  float count = static_cast<float>(pixels);
  Scratch room(channels / LANES * sizeof(Again) / sizeof(float));
  if (!room) return 1;
#pragma omp parallel
  {
    Again* known = reinterpret_cast<Again*>(room.mine());
#pragma omp for schedule(dynamic)
    for (Size n = 0; n < images; n++) {
      const float *image = x + n * pixels * channels, *from = g + n * pools * channels;
      const float* other = v + n * pixels * channels;
      for (Size c = 0; c < channels; c += LANES) {
        Norm norm{load(statistics + 2 * n * channels + c),
                  load(statistics + (2 * n + 1) * channels + c), load(gain + c), load(shift + c)};
        Again again(norm, load(gain_again + c), load(shift_again + c), count);
        for (Size i = 0; i < height; i++)
          each_pixel(i, height, width, from + c, channels, [&](Size pixel, Lanes d) {
            again.see(load(image + pixel * channels + c), d, load(other + pixel * channels + c));
          });
        again.close();
        store(gains + n * channels + c, norm.scale * again.slope);
        known[c / LANES] = again;
      }
      float *x_out = x_again + n * pixels * channels, *g_out = g_again + n * pools * channels;
      std::fill(g_out, g_out + pools * channels, 0.f);
      for (Size i = 0; i < height; i++)
        for (Size j = 0; j < width; j++) {
          bool in = i / 2 < height / 2 && j / 2 < columns;
          Size pool = (i / 2 * columns + j / 2) * channels, pixel = (i * width + j) * channels;
          for (Size c = 0; c < channels; c += LANES) {
            const Again& at = known[c / LANES];
            Lanes value = load(image + pixel + c), w = load(other + pixel + c);
            Lanes d = behind_relu(value, at.norm, in ? load(from + pool + c) : Lanes{});
            store(x_out + pixel + c, at.in_image(value, d, w));
            if (in) store(g_out + pool + c, load(g_out + pool + c) + at.in_gradient(value, w));
          }
        }
    }
  }
  return 0;
}

// Instance norm alone: x and y (images, pixels, channels), statistics as above.
int norm(const float* x, const float* gain, const float* shift, float* y, float* statistics,
          Size images, Size pixels, Size channels, float epsilon) {
  Scratch room(channels / LANES * sizeof(Norm) / sizeof(float));
  Scratch sums(channels / LANES * sizeof(Deviations<1>) / sizeof(float));
  if (!room || !sums) return 1;
#pragma omp parallel
  {
    Norm* norms = reinterpret_cast<Norm*>(room.mine());
    Deviations<1>* seen = reinterpret_cast<Deviations<1>*>(sums.mine());
#pragma omp for schedule(dynamic)
    for (Size n = 0; n < images; n++) {
      const float* image = x + n * pixels * channels;
      norms_of(image, pixels, channels, epsilon, seen, norms);
      for (Size c = 0; c < channels; c += LANES)
        known(norms[c / LANES], gain + c, shift + c, statistics + 2 * n * channels + c, channels);
      for (Size at = 0; at < pixels * channels; at += LANES)
        store(y + n * pixels * channels + at,
              norms[at % channels / LANES].before_relu(load(image + at)));
    }
  }
  return 0;
}

int norm_back(const float* x, const float* gain, const float* statistics, const float* g,
               float* gx, float* sums, Size images, Size pixels, Size channels) {
  Pixels count(pixels);
  Scratch room(channels / LANES * sizeof(BeforeNorm) / sizeof(float));
  if (!room) return 1;
#pragma omp parallel
  {
    BeforeNorm* known = reinterpret_cast<BeforeNorm*>(room.mine());
#pragma omp for schedule(dynamic)
    for (Size n = 0; n < images; n++) {
      const float *image = x + n * pixels * channels, *from = g + n * pixels * channels;
      for (Size c = 0; c < channels; c += LANES) {
        Norm found{load(statistics + 2 * n * channels + c),
                   load(statistics + (2 * n + 1) * channels + c), load(gain + c), Lanes{}};
        Moments total{Lanes{}, Lanes{}};
        for (Size p = 0; p < pixels; p++) {
          Lanes d = load(from + p * channels + c);
          total.plain += d;
          total.normal += d * found.normal(load(image + p * channels + c));
        }
        store(sums + 2 * n * channels + c, total.plain);
        store(sums + (2 * n + 1) * channels + c, total.normal);
        known[c / LANES] = {found, total, count};
      }
      for (Size at = 0; at < pixels * channels; at += LANES) {
        store(gx + n * pixels * channels + at,
              known[at % channels / LANES](load(image + at), load(from + at), count));
      }
    }
  }
  return 0;
}

// A whole first block. x (images, in, height, width), weights (in * 9, out) ->
// y (images, pooled height, pooled width, out)
int first_block(const float* x, const float* weights, const float* bias, const float* gain,
                 const float* shift, float* y, Size images, Size height, Size width, Size in,
                 Size out, Size padding, float epsilon) {
  First first{height, width, in, padding};
  if (folds(first, out))
    return folded_block(x, weights, bias, gain, shift, y, images, first, out, epsilon);
  Size rows = first.out_height(), columns = first.out_width();
  Size pools = (rows / 2) * (columns / 2);
  Size group = rows * columns * LANES;
  Scratch room(first.padded()), convolved(group * TURNS);
  if (!room || !convolved) return 1;
#pragma omp parallel
  {
    float *padded = room.mine(), *values = convolved.mine();
#pragma omp for schedule(dynamic)
    for (Size n = 0; n < images; n++) {
      pad(x + n * in * height * width, first, padded);
      for (Size c = 0, done; c < out; c += done * LANES) {
        Norm norms[TURNS];
        done = convolve_first(padded, first, weights + c, out, bias + c, values, group,
                              (out - c) / LANES, epsilon, norms);
        for (Size k = 0; k < done; k++) {
          Size at = c + k * LANES;
          norms[k].gain = load(gain + at);
          norms[k].shift = load(shift + at);
          for (Size i = 0; i < rows / 2; i++)
            pooled_row(values + k * group + 2 * i * columns * LANES, LANES, columns, norms[k],
                       y + (n * pools + i * (columns / 2)) * out + at, out);
        }
      }
    }
  }
  return 0;
}

// Its gradients, image by image, computed anew from x: sums (images, in * 9 + 2, out) of weights,
// shift and gain, and gx (images, in, height, width) where it is not null. That of the bias is
// zero: the norm takes the mean away.
int first_block_back(const float* x, const float* weights, const float* bias, const float* gain,
                      const float* shift, const float* g, float* sums, float* gx, Size images,
                      Size height, Size width, Size in, Size out, Size padding, float epsilon) {
  First first{height, width, in, padding};
  if (folds(first, out) && !gx)
    return folded_block_back(x, weights, bias, gain, shift, g, sums, images, first, out, epsilon);
  Size rows = first.out_height(), columns = first.out_width(), taps = first.taps();
  Size wide = first.padded_width();
  Size pools = (rows / 2) * (columns / 2);
  Size group = rows * columns * LANES;
  Pixels count(rows * columns);
  Scratch room(first.padded()), convolved(group * TURNS);
  Scratch below(gx ? first.padded() * LANES : LANES);
  if (!room || !convolved || !below) return 1;
#pragma omp parallel
  {
    float *padded = room.mine(), *under = below.mine();
#pragma omp for schedule(dynamic)
    for (Size n = 0; n < images; n++) {
      pad(x + n * in * height * width, first, padded);
      if (gx) std::fill(under, under + first.padded() * LANES, 0.f);
      float* into = sums + n * (taps + 2) * out;
      Norm norms[TURNS];
      for (Size c = 0; c < out; c += LANES) {
        Size turn = c / LANES % TURNS;
        float* values = convolved.mine() + turn * group;
        if (turn == 0)
          convolve_first(padded, first, weights + c, out, bias + c, values, group,
                         (out - c) / LANES, epsilon, norms);
        Norm norm = norms[turn];
        norm.gain = load(gain + c);
        norm.shift = load(shift + c);
        const float* from = g + n * pools * out + c;
        Moments total{};
        for (Size i = 0; i < rows; i++)
          total = moments(total, i, values, LANES, rows, columns, norm, from, out);
        store(into + taps * out + c, total.plain);
        store(into + (taps + 1) * out + c, total.normal);
        BeforeNorm before(norm, total, count);
        for (Size i = 0; i < rows; i++)
          each_pixel(i, rows, columns, from, out, [&](Size pixel, Lanes d) {
            float* at = values + pixel * LANES;
            Lanes value = load(at);
            store(at, before(value, behind_relu(value, norm, d), count));
          });
        for (Size start = 0; start < taps; start += 9) { // as many sums as registers hold
          Lanes sums_of[9] = {};
          Size base = first.offset(start);
          for (Size i = 0; i < rows; i++)
            for (Size j = 0; j < columns; j++) {
              Lanes value = load(values + (i * columns + j) * LANES);
              const float* corner = padded + i * wide + j + base;
              for (Size tap = 0; tap < 9; tap++)
                sums_of[tap] += corner[tap / 3 * wide + tap % 3] * value;
            }
          for (Size tap = 0; tap < 9; tap++) store(into + (start + tap) * out + c, sums_of[tap]);
        }
        if (!gx) continue;
        for (Size tap = 0; tap < taps; tap++) {
          Lanes weight = load(weights + tap * out + c);
          float* to = under + first.offset(tap) * LANES;
          const float* value = values;
          for (Size i = 0; i < rows; i++, to += wide * LANES)
            for (Size j = 0; j < columns; j++, value += LANES)
              store(to + j * LANES, load(to + j * LANES) + weight * load(value));
        }
      }
      if (!gx) continue;
      for (Size p = 0; p < in * height * width; p++) {
        Size row = p / width % height + padding, column = p % width + padding;
        Size plane = p / (width * height) * (height + 2 * padding);
        gx[n * in * height * width + p] =
            sum(load(under + ((plane + row) * wide + column) * LANES));
      }
    }
  }
  return 0;
}
}
