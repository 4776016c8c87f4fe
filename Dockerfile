# Production packages only, for this platform only. All native parts are prebuilt: no install script has to run.
FROM node:24-bookworm-slim AS packages
WORKDIR /octet
ENV ONNXRUNTIME_NODE_INSTALL=skip
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && cd node_modules/onnxruntime-node/bin/napi-v6 \
 && find . -mindepth 1 -maxdepth 1 ! -name linux -exec rm -rf {} + \
 && find linux -mindepth 1 -maxdepth 1 ! -name "$(node -p process.arch)" -exec rm -rf {} +

FROM node:24-bookworm-slim
WORKDIR /octet
ENV NODE_ENV=production OCTET_HOST=0.0.0.0 OCTET_DATA_DIR=/data
COPY --from=packages /octet/node_modules node_modules
COPY package.json ./
COPY openapi openapi
COPY src src
RUN install -d -o 10001 -g 10001 -m 700 /data
USER 10001:10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.OCTET_PORT || 8080}/v2/health/live`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
