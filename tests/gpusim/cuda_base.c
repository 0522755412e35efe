/* own minimal libcuda stub */
#define _GNU_SOURCE
#include "mask.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static char *env(const char *k) {
  return getenv(k);
}
static int ei(const char *k, int d) {
  char *v = env(k);
  return v ? atoi(v) : d;
}
#define T()                                                                                                  \
  do {                                                                                                       \
    if (env("GPUSIM_TRACE"))                                                                                 \
      fprintf(stderr, "cuda:%s\n", __func__);                                                                \
  } while (0)
static int inited;
int cuInit(unsigned f) {
  T();
  int r = ei("GPUSIM_CUINIT", 0);
  if (!r && !mask_count())
    r = 100;
  if (!r)
    inited = 1;
  return r;
}
int cuDriverGetVersion(int *v) {
  T();
  *v = ei("GPUSIM_CUDA_DRIVER", 13000);
  return 0;
}
int cuDeviceGetCount(int *n) {
  T();
  if (!inited)
    return 3;
  *n = mask_count();
  return 0;
}
int cuDeviceGet(int *d, int i) {
  T();
  if (i < 0 || i >= mask_count())
    return 101;
  *d = i;
  return 0;
}
int cuDeviceGetName(char *o, int n, int d) {
  T();
  snprintf(o, n, "%s", env("GPUSIM_NAME") ? env("GPUSIM_NAME") : "STUB GPU");
  return 0;
}
int cuDeviceTotalMem_v2(size_t *o, int d) {
  T();
  *o = (size_t)ei("GPUSIM_MEM_MIB", 16384) << 20;
  return 0;
}
int cuDeviceComputeCapability(int *a, int *b, int d) {
  T();
  *a = ei("GPUSIM_CC_MAJOR", 9);
  *b = ei("GPUSIM_CC_MINOR", 0);
  return 0;
}
/* threads and sizes of a block, a grid, a warp, a multiprocessor: TensorFlow divides by some of them */
static int plain_attribute(int at) {
  static const int known[][2] = {{1, 1024},  {2, 1024},  {3, 1024},   {4, 64},  {5, 2147483647}, {6, 65535},
                                 {7, 65535}, {8, 49152}, {10, 32},    {12, 65536}, {16, 132},    {39, 2048},
                                 {81, 233472}, {82, 65536}, {97, 232448}};
  for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i][0] == at)
      return known[i][1];
  return 0;
}
int cuDeviceGetAttribute(int *o, int at, int d) {
  if (env("GPUSIM_TRACE"))
    fprintf(stderr, "cuda:cuDeviceGetAttribute(%d)\n", at);
  if (at == 75)
    *o = ei("GPUSIM_CC_MAJOR", 9);
  else if (at == 76)
    *o = ei("GPUSIM_CC_MINOR", 0);
  else
    *o = plain_attribute(at);
  return 0;
}
int cuDeviceGetUuid(void *o, int d) {
  T();
  unsigned char *u = o;
  memset(o, 0, 16);
  mask_count();
  u[3] = mask_map[d] + 1;
  u[15] = mask_map[d] + 1;
  return 0;
}
int cuDeviceGetUuid_v2(void *o, int d) {
  return cuDeviceGetUuid(o, d);
}
int cuDeviceGetPCIBusId(char *o, int n, int d) {
  T();
  snprintf(o, n, "0000:%02X:00.0",
           (mask_count(), mask_map[d] == 0   ? 0x18
                          : mask_map[d] == 1 ? 0x2A
                                             : 0x40 + mask_map[d]));
  return 0;
}
int cuGetErrorName(int e, const char **s) {
  T();
  *s = e == 0     ? "CUDA_SUCCESS"
       : e == 100 ? "CUDA_ERROR_NO_DEVICE"
       : e == 803 ? "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
       : e == 804 ? "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE"
       : e == 801 ? "CUDA_ERROR_NOT_SUPPORTED"
       : e == 999 ? "CUDA_ERROR_UNKNOWN"
                  : "CUDA_ERROR_STUB";
  return 0;
}
int cuGetErrorString(int e, const char **s) {
  T();
  *s = e == 0 ? "no error" : "stub error";
  return 0;
}
int cuGetProcAddress_v2(const char *s, void **p, int ver, unsigned long long f, int *st) {
  if (env("GPUSIM_TRACE"))
    fprintf(stderr, "cuda:cuGetProcAddress(%s,%d)\n", s, ver);
  char b[128];
  void *h = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_LAZY);
  const char *suf[] = {"_v2", "", 0};
  *p = 0;
  for (int i = 0; suf[i] && !*p; i++) {
    snprintf(b, 128, "%s%s", s, suf[i]);
    *p = dlsym(h, b);
  }
  if (st)
    *st = *p ? 0 : 1;
  return *p ? 0 : 500;
}
int cuGetProcAddress(const char *s, void **p, int ver, unsigned long long f) {
  int st;
  return cuGetProcAddress_v2(s, p, ver, f, &st);
}
int cuDevicePrimaryCtxGetState(int d, unsigned *f, int *a) {
  T();
  *f = 0;
  *a = 0;
  return 0;
}
int cuGetExportTable(const void **t, const void *id) {
  T();
  return 500;
}
