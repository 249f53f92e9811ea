ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-fund --no-audit
COPY . .
# A package that reads archives brings binaries for another runtime than Node: a third of the whole, and never loaded.
RUN npm run build && npm prune --omit=dev --no-fund --no-audit && rm -rf node_modules/bare-*/prebuilds

FROM ${BASE} AS git
RUN apt-get update && apt-get install -y --no-install-recommends git

FROM ${BASE}
# Of git only the program itself: what Cairn asks of it is built in. The package would bring Perl and 90 MB along.
COPY --from=git /usr/bin/git /usr/bin/git
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
RUN git --version && ln -s /app/dist/bin/cairn.js /usr/local/bin/cairn && install -d -o 1000 -g 1000 /data
ENV NODE_ENV=production CAIRN_DATA=/data CAIRN_LISTEN=0.0.0.0:8080
# A number, so that an orchestrator can see that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 8080
# Alive, not ready: a site that lags behind its log heals by itself, and a restart would not help it. A first look at a
# long log takes its time.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5m --retries=3 CMD ["node", "-e", \
  "fetch(`http://127.0.0.1:${process.env.CAIRN_LISTEN.split(':').pop()}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["cairn"]
CMD ["serve"]
