int cuDeviceGetStreamPriorityRange_(void);
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
int cuDevicePrimaryCtxRetain(void **c, int d) {
  *c = (void *)(size_t)(0x1000 + d);
  return 0;
}
int cuDevicePrimaryCtxSetFlags_v2(int d, unsigned f) {
  return 0;
}
static __thread void *cur;
int cuCtxGetCurrent(void **c) {
  *c = cur;
  return 0;
}
int cuCtxSetCurrent(void *c) {
  cur = c;
  return 0;
}
int cuCtxGetDevice(int *d) {
  *d = cur ? (int)((size_t)cur - 0x1000) : 0;
  return 0;
}
int cuCtxGetStreamPriorityRange(int *a, int *b) {
  *a = *b = 0;
  return 0;
}
static size_t taken;
static size_t mebibytes(const char *name, size_t usual) {
  char *text = getenv(name);
  return text ? (size_t)atol(text) << 20 : usual;
}
static size_t unoccupied(void) { /* what other processes leave: GPUSIM_FREE_MIB, 2 GiB by default */
  size_t all = mebibytes("GPUSIM_FREE_MIB", (size_t)2 << 30);
  return all > taken ? all - taken : 0;
}
int cuMemGetInfo_v2(size_t *f, size_t *t) {
  *t = mebibytes("GPUSIM_MEM_MIB", (size_t)4 << 30);
  *f = unoccupied();
  return 0;
}
int cuMemAlloc_v2(void **p, size_t n) {
  if (n > unoccupied())
    return 2; /* CUDA_ERROR_OUT_OF_MEMORY */
  taken += n;
  return posix_memalign(p, 512, n ? n : 512) ? 2 : 0;
}
int cuMemFree_v2(void *p) {
  free(p);
  return 0;
}
int cuMemHostAlloc(void **p, size_t n, unsigned f) {
  if (posix_memalign(p, 512, n ? n : 512))
    return 2;
  return *p ? 0 : 2;
}
int cuMemAllocHost_v2(void **p, size_t n) {
  if (posix_memalign(p, 512, n ? n : 512))
    return 2;
  return 0;
}
int cuMemFreeHost(void *p) {
  free(p);
  return 0;
}
int cuMemcpyHtoDAsync_v2(void *d, const void *s, size_t n, void *st) {
  memcpy(d, s, n);
  return 0;
}
int cuMemcpyDtoHAsync_v2(void *d, const void *s, size_t n, void *st) {
  memcpy(d, s, n);
  return 0;
}
int cuMemcpyDtoDAsync_v2(void *d, const void *s, size_t n, void *st) {
  memcpy(d, s, n);
  return 0;
}
int cuMemcpyHtoD_v2(void *d, const void *s, size_t n) {
  memcpy(d, s, n);
  return 0;
}
int cuMemcpyDtoH_v2(void *d, const void *s, size_t n) {
  memcpy(d, s, n);
  return 0;
}
int cuMemsetD8Async(void *d, unsigned char v, size_t n, void *s) {
  memset(d, v, n);
  return 0;
}
int cuMemsetD32Async(void *d, unsigned v, size_t n, void *s) {
  for (size_t i = 0; i < n; i++)
    ((unsigned *)d)[i] = v;
  return 0;
}
int cuStreamCreate(void **s, unsigned f) {
  *s = malloc(8);
  return 0;
}
int cuStreamCreateWithPriority(void **s, unsigned f, int p) {
  *s = malloc(8);
  return 0;
}
int cuEventCreate(void **s, unsigned f) {
  *s = malloc(8);
  return 0;
}
int cuLaunchHostFunc(void *s, void (*f)(void *), void *u) {
  f(u);
  return 0;
}
int cuStreamAddCallback(void *s, void (*f)(void *, int, void *), void *u, unsigned x) {
  f(s, 0, u);
  return 0;
}
int cuStreamIsCapturing(void *s, int *o) {
  *o = 0;
  return 0;
}
int cuPointerGetAttribute(void *o, int a, void *p) {
  *(unsigned *)o = 2;
  return 0;
}
int cuFuncGetAttribute(int *o, int a, void *f) {
  *o = 0;
  return 0;
}
int cuDeviceCanAccessPeer(int *o, int a, int b) {
  *o = 0;
  return 0;
}
int cuStreamGetPriority(void *s, int *o) {
  *o = 0;
  return 0;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *f, int size, size_t shared) {
  *blocks = 1;
  return 0;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, void *f, int size, size_t shared, unsigned w) {
  *blocks = 1;
  return 0;
}
int cuOccupancyMaxPotentialBlockSize(int *grid, int *block, void *f, void *map, size_t shared, int limit) {
  *grid = *block = 256;
  return 0;
}
