/* The part of a window that lies inside the image. */
#ifndef WINDOW_H
#define WINDOW_H

#include "fixed_point.h"

/* Of `kernel` places from `start` on, those from `first` to `last - 1` lie in 0 ... length - 1. */
struct pw_span {
    int32_t start, first, last;
};

PW_INLINE struct pw_span pw_span(int32_t at, int32_t stride, int32_t before, int32_t kernel, int32_t length)
{
    struct pw_span span = {at * stride - before, 0, kernel};
    if (span.start < 0) {
        span.first = -span.start < kernel ? -span.start : kernel;
    }
    if (span.start + kernel > length) {
        span.last = length - span.start > span.first ? length - span.start : span.first;
    }
    return span;
}

#endif
