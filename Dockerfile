# The program without a database (docker-compose.yml brings one): Debian's Python and the versions of requirements.lock.
FROM debian:12-slim AS wheel
WORKDIR /src
COPY . .
RUN ./dev wheel

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home geo_service
COPY --from=wheel /src/out/wheel /tmp/wheel
RUN python3 -m venv /opt/geo_service \
    && /opt/geo_service/bin/pip install --no-cache-dir --no-deps --require-hashes -r /tmp/wheel/requirements.txt \
    && /opt/geo_service/bin/pip install --no-cache-dir --no-deps --no-index /tmp/wheel/*.whl \
    && rm -rf /tmp/wheel \
    && /opt/geo_service/bin/python -c 'from geo_service.geography import polygon_index, roads; from geo_service.geography.addresses import similar; polygon_index.warm_up(), roads.warm_up(), similar.warm_up()'
ENV PATH=/opt/geo_service/bin:$PATH
USER geo_service
EXPOSE 8080
ENTRYPOINT ["geo-service"]
